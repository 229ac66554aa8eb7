# Once a second, what workers use: clocks, each worker's record and its line of /proc/PID/stat, what they have started,
# an empty line.
# shellcheck shell=sh disable=SC2154  # given before: run (the folder of run sets), family
sample() {
  ticks=$(getconf CLK_TCK)
  page=$(getconf PAGESIZE)
  while :; do
    IFS= read -r up </proc/uptime
    printf 'clock %s %s %s %s\n' "$(date +%s)" "${up%% *}" "$ticks" "$page"
    for name in live previous; do
      [ ! -L "$run/$name" ] || printf '%s %s\n' "$name" "$(readlink "$run/$name")"
    done
    pids=
    for record in "$run"/*/*.pid.json; do
      [ ! -L "${record%/*}" ] || continue
      line=
      IFS= read -r line 2>/dev/null <"$record" || [ -n "$line" ] || continue
      pid=${line#*\"pid\":}
      pid=${pid# }
      pid=${pid%%[!0-9]*}
      pids="$pids $pid"
      stat=
      IFS= read -r stat 2>/dev/null <"/proc/$pid/stat" || stat=
      printf 'record %s\nstat %s\n' "$line" "$stat"
    done
    # shellcheck disable=SC2086  # a list of numbers
    family $pids
    echo
    sleep 1
  done
}
sample &
cat >/dev/null
kill 0
