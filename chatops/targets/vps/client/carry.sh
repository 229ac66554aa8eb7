# Holds the lock of a host, takes in what a phase needs, starts its program detached, and passes the journal on.
# It ends, and gives the lock back, when it hears nothing for 10 s; a program that runs keeps the lock until it ends.
# shellcheck shell=sh disable=SC2154  # given before: state lock run holder again part offset
journal=$state/journal.ndjson
note() { printf '{"event":"%s"%s}\n' "$1" "${2-}" >>"$journal"; }
stage=$state/stage.$$
order() { timeout "$1" head -c 48; }
refuse() {
  rm -rf "$stage" # the disk may be full
  said=$(printf '%s' "$1" | sed '/^tar: \(Exiting\|Skipping\)/d' | tail -n 1 | LC_ALL=C tr -cd '[:print:]' | LC_ALL=C tr -d '\\"')
  note refused ",\"message\":\"${said:-no reason given}\""
}

take() { # BYTES of the manifest, and of the load where that does not wait for what is missing
  rm -rf "$state"/stage.*
  mkdir -p "$stage" "$state/pieces"
  head -c "$1" >"$state/manifest"
  while read -r kind piece; do
    if [ "$kind" = piece ] && [ ! -e "$state/pieces/$piece" ]; then note missing ",\"piece\":\"$piece\""; fi
  done <"$state/manifest"
  # shellcheck disable=SC2046  # the two words of an order
  [ "$2" ] || { note send && set -- $(order 60); }
  timeout "$((60 + ${2:-0} / 20000))" head -c "${2:-0}" | tar -xzpf - -C "$stage" --no-same-owner && put && rm -rf "$stage"
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
    note gone ",\"part\":$2"
  } </dev/null >/dev/null 2>&1 &
}

locked() {
  printf 'locked '
  head -n 1 "$lock"
  exit 6
}
other() {
  echo other
  exit 6
}
# Whether the lock goes from one user of a change to the other just now: nobody else may come in between.
# That is the last line. A change only adds lines: who of it comes next must find its name there at any moment.
handed() {
  at=$(sed -n '$s/^handed \([0-9]*\)$/\1/p' "$lock" 2>/dev/null)
  [ "${at:-0}" -gt "$(($(date +%s) - 2))" ]
}
# Hands it over only when who comes next is there: on a busy host that takes longer than a lock that was handed is kept for it.
hand() {
  tries=80
  until [ "$(tail -n 1 "$lock")" = coming ] || [ $((tries -= 1)) -lt 1 ]; do sleep 0.05; done
  echo "handed $(date +%s)" >>"$lock"
}
ours() { grep -qsF "$run" "$lock"; }
fresh() {
  rm -f "$state/stop" "$journal" # a new file: who reads the one before reads it to its end
  printf '{"event":"held","run":"%s"}\n' "$run" >"$journal"
}

mkdir -p "$state" || exit 4
if [ -n "$again" ]; then
  ours || other
  old=$(cat "$state/holder" 2>/dev/null)
  ! grep -qs 'head -c' "/proc/${old:-0}/cmdline" || kill "$old"
fi
exec 9>>"$lock"
if [ -n "$again" ] && grep -qsF "\"event\":\"phase\",\"run\":\"$run\",\"part\":$part," "$journal"; then
  note joined ',"started":true'
  (flock 9; note gone ",\"part\":$part") </dev/null >/dev/null 2>&1 &
elif [ -n "$again" ]; then
  echo coming >>"$lock"
  flock -w 15 9 || locked
  ours || other
  echo taken >>"$lock"
  if grep -qsF "\"run\":\"$run\"" "$journal"; then note joined ',"started":false'; else fresh; fi
else
  flock -w 0.3 9 || locked # somebody may be looking whether it is held
  ! handed || locked
  printf '%s\n' "$holder" >"$lock"
  fresh
fi
echo "$$" >"$state/holder"
# Where the kernel tells of no changes (overlay file systems), tail looks this often.
tail -c "+$((offset + 1))" -f --pid="$$" -s 0.005 "$journal" 9>&- &
tail=$!
while words=$(exec 9>&-; order 10) && [ -n "$words" ]; do
  # shellcheck disable=SC2086
  set -- $words
  case $1 in
    carry) if said=$(exec 9>&-; take "$4" "${5-}" 2>&1); then start "$2" "$3"; else refuse "$said"; exit 4; fi ;; # `tail` tells it yet
    stop) : >"$state/stop" ;;
    hand) hand && break ;;
    leave) break ;;
  esac
done
kill "$tail"
