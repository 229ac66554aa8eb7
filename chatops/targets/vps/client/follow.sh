# The last lines of log files, and with `follow` what is written to them later, also through rotation and to new files.
# Every line of output is one frame: NUMBER@PATH (a file appears), NUMBER=TEXT, NUMBER+TEXT (the line goes on in the next
# frame of this number), `!` (what follows is new). Frames fit into one write each, so they never mix.
# shellcheck shell=sh disable=SC2154,SC2086  # given before: globs secrets last follow since
known='|'
count=0
case $(awk -W version 2>&1 </dev/null) in mawk*) lively="-W interactive" ;; *) lively="" ;; esac
set --
for file in $secrets; do [ ! -r "$file" ] || set -- "$@" "$file"; done
hidden=$*

frames() {
  LC_ALL=C awk $lively -v number="$1" -v hidden="$hidden" -v since="$2" '
    BEGIN {
      ORS = "" # mawk writes it apart
      files = split(hidden, file, " ")
      for (i = 1; i <= files; i++) while ((getline line < file[i]) > 0) if (length(line) > 5) secret[++many] = line
      late = since == ""
    }
    !late {
      stamp = ""
      if (match($0, /"(time|ts|timestamp)":"?[0-9][0-9.:T-]*/)) { stamp = substr($0, RSTART, RLENGTH); sub(/^[^:]*:"?/, "", stamp) }
      else if (match($0, /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9:.]*/)) stamp = substr($0, RSTART, RLENGTH)
      utc = substr($0, RSTART + RLENGTH) ~ /^(Z|\+00:00)/
      if (stamp ~ /T/) late = !utc || stamp >= since
      if (!late && stamp ~ /T/) next
    }
    {
      for (i = 1; i <= many; i++) while (at = index($0, secret[i])) $0 = substr($0, 1, at - 1) "[redacted]" substr($0, at + length(secret[i]))
      while (length($0) > 3900) { print number "+" substr($0, 1, 3900) "\n"; fflush(); $0 = substr($0, 3901) }
      print number "=" $0 "\n"
      fflush()
    }'
}

backlog() {
  start=$(($3 > 8388608 ? $3 - 8388608 : 0))
  tail -c "+$((start + 1))" -- "$2" | head -c "$(($3 - start))" | if [ "$start" -gt 0 ]; then tail -n +2; else cat; fi |
    if [ -n "$since" ]; then cat; else tail -n "$last"; fi | frames "$1" "$since"
}

scan() {
  for file in $globs; do
    if [ ! -f "$file" ]; then continue; fi
    case $known in *"|$file|"*) continue ;; esac
    known="$known$file|"
    count=$((count + 1))
    printf '%s@%s\n' "$count" "$file"
    size=0
    if [ -n "$1" ]; then
      size=$(stat -c %s -- "$file")
      backlog "$count" "$file" "$size"
    fi
    [ -z "$follow" ] || tail -c "+$((size + 1))" -F --pid="$$" -- "$file" 2>/dev/null | frames "$count" "" &
  done
}

all() {
  scan first
  echo '!'
  while [ -n "$follow" ] && sleep 1; do
    scan ''
    echo
  done
}

if [ -n "$follow" ]; then
  { all | cat; } &
  cat >/dev/null
  kill 0
else
  all | cat
fi
