# What there is on a host, in sections that each begin with a line "$mark NAME ARGUMENT"; reads only.
# shellcheck shell=sh disable=SC2154  # given before: mark app root pm2 runtimes stamps lock packages units markers certificate
# health patience, and family
say() { printf '%s %s\n' "$mark" "$*"; }
content() {
  line=
  IFS= read -r line 2>/dev/null <"$1" || [ -n "$line" ] || return 0
  printf '%s\n' "$line"
}
process() {
  pid=${line#*\"pid\":}
  pid=${pid# }
  pid=${pid%%[!0-9]*}
  [ -n "$pid" ] && pids="$pids $pid" && content "/proc/$pid/stat"
}
# As the app's user: root would go wherever that user has the socket's name lead.
tell() {
  if [ "$(id -u)" = 0 ]; then runuser -u "$app" -- "$@"; else "$@"; fi
}

say os
# shellcheck disable=SC1091
(. /etc/os-release && printf '%s\n%s\n%s\n' "${ID-}" "${VERSION_ID-}" "${VERSION_CODENAME-}") 2>/dev/null
say machine
uname -m
getconf GNU_LIBC_VERSION 2>/dev/null || echo
getconf CLK_TCK
getconf PAGESIZE
nproc
say load
content /proc/loadavg
content /proc/uptime
date +%s.%N
say memory
grep -E '^Mem(Total|Available):' /proc/meminfo
place=$root
while [ ! -e "$place" ]; do place=$(dirname "$place"); done
say disk
df -Pk "$place" | tail -n 1
say inodes
df -Pi "$place" | tail -n 1
[ ! -e /run/reboot-required ] || say reboot
! id -u "$app" >/dev/null 2>&1 || say appuser
say packages
# shellcheck disable=SC2086  # a list of names
[ -z "$packages" ] || dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\n' $packages 2>/dev/null
say units
exec 8>&1
# Meanwhile the app tells of itself.
# shellcheck disable=SC2086
told=$(
  ops=$root/run/live/0.ops
  [ -z "$health" ] || [ ! -e "$ops" ] ||
    tell curl -qgs --noproxy '*' --max-time "$patience" --unix-socket "$ops" "http://localhost$health" | head -c 65536 &
  [ -z "$units" ] || systemctl show -p Id,LoadState,ActiveState,UnitFileState $units 2>/dev/null >&8
  wait
)
[ -z "$told" ] || { say health; printf '%s\n' "$told"; }
say listening
# whose a port is takes long to find out: asked only where it matters
if [ -e /run/nginx.pid ] || ! ss -Hltn 2>/dev/null | grep -qE ':(80|443) '; then ss -Hltn 2>/dev/null; else ss -Hltnp 2>/dev/null; fi
say firewall
if [ -e /etc/ufw/ufw.conf ]; then grep -s '^ENABLED=' /etc/ufw/ufw.conf || echo ENABLED=unknown; else echo ENABLED=absent; fi
# What `ufw show added` says takes Python to start.
[ ! -r /etc/ufw/user.rules ] || { say rules; awk '
  /^### tuple ### allow tcp [0-9]+ [^ ]+ any [^ ]+ in( |$)/ {
    print "allow " ($9 ~ /\/0$/ ? $6 "/tcp" : "from " $9 " to any port " $6 " proto tcp")
  }' /etc/ufw/user.rules /etc/ufw/user6.rules; }
for file in /etc/nginx/conf.d/chatops-*.conf; do
  name=${file##*/chatops-}
  name=${name%.conf}
  if [ ! -f "$file" ] || [ "$name" = "$app" ]; then continue; fi
  say site "$name"
  # the ports of its servers without a name
  awk '/^ *listen [0-9]/ { port = $2 + 0 } /^ *server_name _;/ { print port }' "$file"
done
say runtimes
for file in "$runtimes"/*/bin/node; do
  file=${file%/bin/node}
  [ -L "$file" ] || [ ! -x "$file/bin/node" ] || printf '%s\n' "${file##*/}"
done
for file in "$stamps"/*; do
  [ ! -f "$file" ] || { say stamp "${file##*/}"; content "$file"; }
done
# shellcheck disable=SC2086
for file in $markers; do
  [ ! -f "$file" ] || { say marker "$file"; head -c 65536 "$file"; echo; }
done
[ ! -r "$certificate" ] || { say certificate; openssl x509 -noout -enddate -in "$certificate" 2>/dev/null; }

pids=
for file in "$root"/run/*/set.json; do
  set=${file%/set.json}
  if [ -L "$set" ] || [ ! -f "$file" ]; then continue; fi
  say set "${set##*/}"
  content "$file"
  for record in "$set"/*.pid.json; do
    [ -f "$record" ] || continue
    number=${record##*/}
    say worker "${set##*/}" "${number%.pid.json}"
    content "$record"
    process
  done
done
say family
# shellcheck disable=SC2086  # a list of numbers
family $pids
for name in live previous; do
  [ ! -L "$root/run/$name" ] || { say "$name"; readlink "$root/run/$name"; }
done
for file in "$root"/state/releases/*.json; do
  [ -f "$file" ] || continue
  release=${file##*/}
  release=${release%.json}
  say release "$release"
  content "$file"
  [ ! -e "$root/state/releases/$release.bad" ] || say bad "$release"
  [ ! -d "$root/releases/$release" ] || say tree "$release"
done
say envs
for file in "$root"/shared/env/*.json; do
  [ ! -f "$file" ] || { file=${file%.json}; printf '%s\n' "${file##*/}"; }
done
say modules
for file in "$root"/modules/*; do
  case $file in *.new) ;; *) [ ! -d "$file" ] || printf '%s\n' "${file##*/}" ;; esac
done
say stale
# scripts that neither PM2 nor a set that is here would start anything from
for folder in "$root"/scripts/*/; do
  if [ ! -d "$folder" ] || [ ! -r "$root/pm2/dump.pm2" ]; then continue; fi
  grep -qsF "$folder" "$root/pm2/dump.pm2" "$root"/run/*/apps.json || { folder=${folder%/}; printf '%s\n' "${folder##*/}"; }
done
# in a container root may not see what others run, unless as they
if pid=$(cat "$root/pm2/pm2.pid" 2>/dev/null) && grep -qs PM2 "/proc/$pid/cmdline"; then
  say daemon
  readlink "/proc/$pid/exe" 2>/dev/null || runuser -u "$app" -- readlink "/proc/$pid/exe" 2>/dev/null
fi
[ ! -e "$pm2/node_modules/pm2" ] || say pm2
say tools
# What PM2 does not run from: it has been started from `current` since that leads where it does.
current=$root/tools/current
begun=$root/pm2/pm2.pid
late=$(($(date +%s) + 2)) # a clock that was ahead when PM2 was started tells nothing
if [ -L "$current" ] && ! find "$current" -newer "$begun" 2>&1 | grep -q . && ! find "$begun" -newermt "@$late" | grep -q .; then
  for folder in "$root"/tools/pm2-*; do
    [ ! -d "$folder" ] || [ "$folder" -ef "$current" ] || printf '%s\n' "${folder##*/}"
  done
fi
if [ -r "$lock" ] && ! flock -n -s "$lock" true; then say lock; content "$lock"; fi
say end
