# Passes on the journals of the change that holds the lock, from its beginning to its end; takes no part in it.
# Each line comes after the name of its journal: two are followed at once, and one may come through before the other.
# shellcheck shell=sh disable=SC2154  # given before: lock journals
if [ ! -r "$lock" ] || flock -n -s "$lock" true; then
  echo idle
  exit 0
fi
run=$(sed -n '1s/.*"run": *"\([0-9a-f]*\)".*/\1/p' "$lock")
ours() { head -n 1 "$1" 2>/dev/null | grep -qF "\"run\":\"$run\""; }
follow() {
  until ours "$1"; do
    kill -0 "$$" || exit 0
    sleep 0.3
  done
  tail -c "+$2" -f --pid="$$" -s 0.5 "$1" | named "$1"
}
named() { sed -u "s#^#$1 #"; }
show() {
  size=0
  if ours "$1"; then
    size=$(wc -c <"$1")
    head -c "$size" "$1" | named "$1"
  fi
  follow "$1" "$((size + 1))" &
}
# The one that was written last is the one that goes on: what stands in the other was before.
# shellcheck disable=SC2045,SC2086  # plain names
for journal in $(ls -tr $journals 2>/dev/null); do show "$journal"; done
for journal in $journals; do [ -e "$journal" ] || show "$journal"; done
over() {
  grep -qF "$run" "$lock" || return 0 # somebody else has it already
  flock -s -w 2 "$lock" true || return
  at=$(sed -n '$s/^handed \([0-9]*\)$/\1/p' "$lock")
  [ "${at:-0}" -le "$(($(date +%s) - 10))" ] # else it goes from one user of the change to the other just now, on a busy host
}
until over; do
  printf '\n' || exit
  sleep 0.1
done
# `tail --pid` reads what is left, however slow the host is, and ends after us.
