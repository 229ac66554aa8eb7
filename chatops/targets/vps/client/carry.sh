# Holds the lock of a host, takes in what a phase needs, starts its program detached, and passes the journal on.
# It ends, and gives the lock back, when it hears nothing for 12 s; a program that runs keeps the lock until it ends.
# shellcheck shell=sh disable=SC2154  # given before: state run holder again phase offset
journal=$state/journal.ndjson
note() { printf '{"event":"%s"%s}\n' "$1" "${2-}" >>"$journal"; }
stage=$state/stage.$$
order() { timeout "$1" head -c 32; }
refuse() {
  rm -rf "$stage" # the disk may be full
  said=$(printf '%s' "$1" | sed '/^tar: \(Exiting\|Skipping\)/d' | tail -n 1 | LC_ALL=C tr -cd '[:print:]' | LC_ALL=C tr -d '\\"')
  note refused ",\"message\":\"${said:-no reason given}\""
}

take() {
  rm -rf "$state"/stage.*
  mkdir -p "$stage" "$state/pieces"
  head -c "$1" >"$state/manifest"
  while read -r kind piece; do
    if [ "$kind" = piece ] && [ ! -e "$state/pieces/$piece" ]; then note missing ",\"piece\":\"$piece\""; fi
  done <"$state/manifest"
  note send
  # shellcheck disable=SC2046  # the two words of an order
  set -- $(order 60)
  timeout "$((60 + ${2:-0} / 20000))" head -c "${2:-0}" | tar -xzpf - -C "$stage" --no-same-owner && put
}

put() {
  if [ -d "$stage/pieces" ]; then find "$stage/pieces" -type f -exec mv -f -t "$state/pieces" -- {} + || return; fi
  while read -r kind name path; do
    case $kind in
      file | whole) [ -d "${path%/*}" ] || mkdir -p -- "${path%/*}" || return ;;
    esac
    case $kind in
      file) mv -f -- "$stage/$name" "$path" || return ;;
      whole) join "$name" "$path" || return ;;
    esac
  done <"$state/manifest"
}

join() {
  sed -n 's/^piece //p' "$state/manifest" >"$stage/pieces.list"
  (cd "$state/pieces" && xargs -r cat -- <"$stage/pieces.list" >"$2.new") || return
  if ! printf '%s  %s\n' "$1" "$2.new" | sha256sum --check --status; then
    (cd "$state/pieces" && xargs -r rm -f -- <"$stage/pieces.list")
    echo "what arrived is not what was sent: run the same command again"
    return 1
  fi
  (cd "$state/pieces" && xargs -r touch -- <"$stage/pieces.list")
  find "$state/pieces" -type f -mtime +30 -delete
  mv -f -- "$2.new" "$2"
}

start() {
  rm -f "$state/stop"
  cat "$state/$1.head" >>"$journal"
  {
    setsid sh "$state/$1.sh" </dev/null >/dev/null 2>&1 &
    program=$!
    exec 9>&-
    wait "$program"
    note gone ",\"phase\":\"$1\""
  } </dev/null >/dev/null 2>&1 &
}

mkdir -p "$state" || exit 4
if [ -n "$again" ]; then
  if ! grep -qsF "$run" "$state/lock"; then echo other; exit 6; fi
  old=$(cat "$state/holder" 2>/dev/null)
  ! grep -qs 'head -c' "/proc/${old:-0}/cmdline" || kill "$old"
fi
exec 9>>"$state/lock"
locked() {
  printf 'locked '
  cat "$state/lock"
  exit 6
}
if [ -n "$again" ] && grep -qsF "\"event\":\"phase\",\"phase\":\"$phase\"" "$journal"; then
  note joined ',"started":true'
  (flock 9; note gone ",\"phase\":\"$phase\"") </dev/null >/dev/null 2>&1 &
elif [ -n "$again" ]; then
  flock -w 10 9 || locked
  note joined ',"started":false'
else
  flock -w 0.3 9 || locked # somebody may be looking whether it is held
  printf '%s\n' "$holder" >"$state/lock"
  rm -f "$state/stop"
  : >"$journal"
  note held
fi
echo "$$" >"$state/holder"
tail -c "+$((offset + 1))" -f --pid="$$" -s 0.5 "$journal" 9>&- &
tail=$!
while words=$(exec 9>&-; order 12) && [ -n "$words" ]; do
  # shellcheck disable=SC2086
  set -- $words
  case $1 in
    carry) if said=$(exec 9>&-; take "$3" 2>&1); then start "$2"; else refuse "$said"; sleep 0.3; break; fi ;;
    stop) : >"$state/stop" ;;
    leave) break ;;
  esac
done
kill "$tail"
