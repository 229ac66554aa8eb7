# Passes on the journal of the change that holds the lock, from its beginning to its end; takes no part in it.
# shellcheck shell=sh disable=SC2154  # given before: state
if [ ! -f "$state/lock" ] || flock -n -s "$state/lock" true; then
  echo idle
  exit 0
fi
tail -c +1 -f --pid="$$" -s 0.5 "$state/journal.ndjson" &
tail=$!
until flock -s -w 2 "$state/lock" true; do printf '\n' || exit; done
sleep 0.3
kill "$tail"
