"""What was done to a host for all apps of ours together is undone when the last one goes: as far as nobody else uses it."""

from __future__ import annotations

from chatops.shell import words
from chatops.targets.vps.provision import firewall, packages, site
from chatops.targets.vps.provision.machine import HOST, Machine
from chatops.targets.vps.provision.nginx import LIMITS


def restored(machine: Machine) -> str:
    """Commands that take the app's rules out of the firewall, and the rest along with the last app."""
    store = machine.store
    return f"""\
{firewall.disarmed(machine)}
rm -f {words(firewall.note(machine))}
[ ! -e /etc/ufw/user.rules ] || {{
{firewall.swept(machine)}
}}
others=
for other in {words(store.parent)}/*/; do [ "$other" = {words(store)}/ ] || others=1; done
if [ -z "$others" ]; then
{_FIREWALL}
{_NGINX}
{_PACKAGES}
  rm -rf {HOST}
fi"""


_FIREWALL = f"""\
  if [ -e {HOST}/ufw ] && [ -e /etc/ufw/user.rules ]; then
    if [ "$({{ {firewall.OTHERS}; }})" = "$(cat {HOST}/ufw)" ]; then
      ufw --force disable >/dev/null
      ufw show added | sed -n "s/^ufw \\(.*\\) comment 'chatops ssh'$/\\1/p" | while read -r rule; do
        # shellcheck disable=SC2086  # several words
        ufw delete $rule >/dev/null </dev/null
      done
    else
      tell 'the firewall stays up, with the ports of ssh open: it has rules that are not ours'
    fi
  fi"""
"""The rules for ssh go with the firewall only: while it is up they let us in."""

_NGINX = f"""\
  rm -rf {LIMITS} {site.CHALLENGES}
  if [ -e {HOST}/connections ] && [ -e /etc/nginx/nginx.conf ]; then
    sed -i 's/^\\([[:space:]]*worker_connections\\) 16384;/\\1 768;/' /etc/nginx/nginx.conf
  fi
  default=/etc/nginx/sites-enabled/default
  if [ -e {HOST}/default ] && [ -e /etc/nginx/sites-available/default ] && [ ! -e "$default" ]; then
    ln -s /etc/nginx/sites-available/default "$default"
    # Somebody else's site may have its place by now.
    nginx -t -q 2>/dev/null || rm "$default"
  fi
  ! command -v nginx >/dev/null || {{ nginx -t -q && systemctl try-reload-or-restart nginx 9>&-; }}"""

_DATABASES = """\
SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')
UNION ALL SELECT rolname FROM pg_roles WHERE rolname <> 'postgres' AND rolname !~ '^pg_'
UNION ALL SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"""
"""Whatever a server has beside what it came with."""

_PACKAGES = f"""\
  # PostgreSQL listens where it did before, after its next start.
  rm -f /etc/postgresql/*/*/conf.d/chatops.conf
  # Files in a folder that no package brought.
  foreign() {{
    [ -d "$1" ] && find "$1" \\( -type f -o -type l \\) ! -path /etc/nginx/sites-enabled/default \\
      ! -path '/etc/nginx/modules-enabled/*' -exec dpkg-query -S {{}} + 2>&1 >/dev/null | grep -q .
  }}
  # Where it can't be asked, the complaint counts.
  databases() {{
    cd /
    systemctl start postgresql 9>&-
    pg_lsclusters -h | sed 1d
    runuser -u postgres -- psql -qtAX -c {words(_DATABASES)} 2>&1
  }}
  runs() {{ systemctl is-active --quiet "$1" || systemctl is-enabled --quiet "$1"; }}
  used() {{
    case $1 in
      nginx) foreign /etc/nginx ;;
      logrotate) foreign /etc/logrotate.d ;;
      certbot) foreign /etc/letsencrypt/renewal ;;
      redis-server) foreign /etc/redis || runs redis-server ;;
      postgresql) databases | grep -q . ;;
      ufw) ufw status | grep -q '^Status: active' ;;
      *) false ;;
    esac
  }}
  gone=
  for package in $(cat {HOST}/installed 2>/dev/null); do
    if used "$package"; then tell "$package stays: others use it"; else gone="$gone $package"; fi
  done
  if [ -n "$gone" ]; then
    await_apt {packages.PATIENCE}
    # Unlike apt, dpkg takes away nothing else: what other packages need stays, too.
    # shellcheck disable=SC2086  # several words
    DEBIAN_FRONTEND=noninteractive dpkg --purge $gone >/dev/null 2>&1 9>&- || :
    [ -z "$(dpkg --audit)" ] || {{ dpkg --audit; exit 1; }}
    # shellcheck disable=SC2086
    left=$(dpkg-query -W -f '${{db:Status-Status}} ${{Package}}\n' $gone 2>/dev/null | sed -n 's/^installed //p' | tr '\n' ' ')
    [ -z "$left" ] || tell "what other packages need stays, too: ${{left% }}"
    # A link of systemd's own, which `locales` takes along when it goes.
    systemd-tmpfiles --create --prefix=/etc/default/locale 2>/dev/null || :
  fi"""
