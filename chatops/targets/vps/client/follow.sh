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

# With a file and what was read of it before, the words of `tail` itself are understood: where a rotation has emptied the
# file (copytruncate), what was not read yet is in the copy beside it.
frames() {
  LC_ALL=C awk $lively -v number="$1" -v hidden="$hidden" -v since="$2" -v path="${3-}" -v position="${4-0}" '
    function show(text) {
      for (i = 1; i <= many; i++) while (at = index(text, secret[i])) text = substr(text, 1, at - 1) "[redacted]" substr(text, at + length(secret[i]))
      while (length(text) > 3900) { print number "+" substr(text, 1, 3900) "\n"; fflush(); text = substr(text, 3901) }
      print number "=" text "\n"
      fflush()
    }
    function rest(command, text) {
      command = "tail -c +" (position + 1) " -- \"" path ".1\" 2>/dev/null"
      while ((command | getline text) > 0) show(text)
      close(command)
    }
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
    path != "" && /^tail: / && index($0, path) && /(: file truncated|following new file|has become inaccessible.*)$/ {
      if (/: file truncated$/) rest()
      position = 0
      next
    }
    {
      position += length($0) + 1
      show($0)
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
    [ -z "$follow" ] || LC_ALL=C tail -s 0.2 -c "+$((size + 1))" -F --pid="$$" -- "$file" 2>&1 | frames "$count" "" "$file" "$size" &
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
