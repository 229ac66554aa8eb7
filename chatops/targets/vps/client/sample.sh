# Once a second, what workers use: clocks, each worker's record and its line of /proc/PID/stat, what they have started,
# an empty line. In the first beat and then in every tenth, what PM2 says of them.
# shellcheck shell=sh disable=SC2154  # given before: run (the folder of run sets), pm2 (PM2's socket), ask (pm2.pl), family
sample() {
  ticks=$(getconf CLK_TCK)
  page=$(getconf PAGESIZE)
  beat=0
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
    [ "$((beat % 10))" -ne 0 ] || printf 'pm2 %s\n' "$(perl -e "$ask" "$pm2" 2>/dev/null)"
    beat=$((beat + 1))
    echo
    sleep 1
  done
}
sample &
cat >/dev/null
kill 0
