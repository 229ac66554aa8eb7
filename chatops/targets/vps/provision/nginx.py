"""nginx on a host: its limits, and the way a new site comes into force or does not."""

from __future__ import annotations

from chatops.shell import words, write
from chatops.targets.vps.provision import site
from chatops.targets.vps.provision.machine import HOST, PRIVATE_PORT, Machine, RootStep

LIMITS = "/etc/nginx/modules-enabled/99-chatops-limits.conf"


def limits(machine: Machine) -> RootStep:
    """Room for thousands of sockets: Debian's file stops at 768 connections a process."""
    action = f"""\
mkdir -p {HOST}
! grep -q '^[[:space:]]*worker_connections 768;' /etc/nginx/nginx.conf || touch {HOST}/connections
sed -i 's/^\\([[:space:]]*worker_connections\\) 768;/\\1 16384;/' /etc/nginx/nginx.conf
if ! grep -rqs '^[[:space:]]*worker_rlimit_nofile' /etc/nginx/nginx.conf; then
  {write(LIMITS, "worker_rlimit_nofile 65536;").replace(chr(10), chr(10) + "  ")}
  chmod 644 {LIMITS}
fi
# The welcome page that came with the package would take all requests that name no host of ours.
default=/etc/nginx/sites-enabled/default
if [ -L "$default" ] && ! dpkg --verify nginx-common 2>/dev/null | grep -q sites-available/default; then
  rm "$default"
  touch {HOST}/default
fi
systemctl enable --quiet --now nginx"""
    return machine.step("limits", "give nginx room for many connections", action)


def install(machine: Machine, name: str, text: str, title: str) -> RootStep:
    """Tries a site beside the running ones, renames it into place, and proves that nginx answers with it."""
    port = 80 if machine.alone or "balancer" in machine.roles else PRIVATE_PORT
    host = machine.block.domain if port == 80 and machine.block.domain else "localhost"
    question = f"http://127.0.0.1:{port}{site.GENERATION}"
    action = f"""\
site={words(site.path(machine))}
stage={words(machine.store / "state" / "nginx")}
staged=/etc/nginx/.chatops-staged.conf
trap 'rm -rf "$stage" "$staged"' EXIT
rm -rf "$stage"
mkdir -p "$stage"
cp -a /etc/nginx/conf.d/. "$stage/"
printf '%s' {words(text)} >"$stage/${{site##*/}}"
[ -e /proc/net/if_inet6 ] || sed -i '/listen \\[::\\]/d' "$stage/${{site##*/}}"
{_http2() if "443 ssl" in text else ""}\
sed "s#/etc/nginx/conf.d/\\*\\.conf#$stage/*.conf#" /etc/nginx/nginx.conf >"$staged"
if ! said=$(nginx -t -q -c "$staged" 2>&1); then
  named="s#$stage/#/etc/nginx/conf.d/#g; s#$staged#/etc/nginx/nginx.conf#g"
  printf '%s\\n' "$said" | sed -n "$named; s/^.*.emerg. \\([0-9]*#[0-9]*: \\)*//p"
  exit 1
fi
cp "$stage/${{site##*/}}" "$site.new"
chmod 644 "$site.new"
if [ -e "$site" ]; then cp -p "$site" "$stage/before"; fi
mv -f "$site.new" "$site"
reload() {{ systemctl enable --quiet nginx && systemctl reload-or-restart nginx 9>&-; }}
if reload; then
  tries=0
  while [ "$tries" -lt 100 ]; do
    if [ "$(curl -s --noproxy '*' --max-time 2 -H {words(f"Host: {host}")} {question})" = {site.generation(text)} ]; then
      answers=1
      break
    fi
    tries=$((tries + 1))
    sleep 0.1
  done
fi
if [ -z "${{answers-}}" ]; then
  echo 'nginx does not answer with the new site; the one before comes back'
  if [ -e "$stage/before" ]; then mv -f "$stage/before" "$site"; else rm -f "$site"; fi
  reload || :
  tail -n 3 /var/log/nginx/error.log
  exit 1
fi"""
    return machine.step(name, title, action)


def _http2() -> str:
    """From 1.25.1 on nginx warns of HTTP/2 as a word of `listen`, the only one that it knew before."""
    edits = r"/^ *http2 o[nf]*;$/d; s/ http2;$/;/; s/^\( *\)ssl_protocols .*/\1http2 on;\n&/"
    older = """dpkg --compare-versions "$(nginx -v 2>&1 | sed 's#^.*/##; s# .*##')" lt 1.25.1"""
    return f"""{older} || sed -i '{edits}' "$stage/${{site##*/}}"\n"""
