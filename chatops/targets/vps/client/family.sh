# What a process has started, and what that has started in turn: a worker may be a shell, npm, or a cluster.
# shellcheck shell=sh
family() { # PID...: a line "child PID STAT" for each, STAT as in /proc/PID/stat
  [ "$#" -gt 0 ] || return 0
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v given="$*" '
    { rest = $0; sub(/.*\) /, "", rest); split(rest, words, " "); parent[$1] = words[2]; line[$1] = $0 }
    END {
      for (count = split(given, list, " "); count > 0; count--) root[list[count]] = 1
      for (pid in line) {
        above = parent[pid]
        for (depth = 0; depth < 64 && (above in parent) && !(above in root); depth++) above = parent[above]
        if (above in root) print "child", above, line[pid]
      }
    }'
}
