"""Taking the app away: without `--purge` its data, secrets and what it was installed with stay; with it nothing does."""

from __future__ import annotations

from collections.abc import Iterator

from chatops.shell import words
from chatops.targets.vps.provision import host, packages, site, stores
from chatops.targets.vps.provision.machine import Machine, RootStep, as_user

GONE = (
    "releases",
    "modules",
    "run",
    "logs",
    "pm2",
    "scripts",
    "current",
    "state/releases",
    "state/history.ndjson",
    "state/incoming",
)
STAMPS = ("account", "unit", "site", "site_http", "rotation")


def remove(machine: Machine) -> Iterator[RootStep]:
    """Ends the workers and takes away what was made of releases."""
    root = machine.layout.root
    yield _step(machine, "stop", "stop the workers and PM2", _stop(machine))
    yield _step(machine, "site", "take the site out of nginx", _without_site(machine))
    gone = as_user(machine.name, words("rm", "-rf", "--", *(root / name for name in GONE)))
    gone = f"! getent passwd {words(machine.name)} >/dev/null || {gone}\n"
    gone += words("rm", "-f", "--", *(machine.stamps / name for name in STAMPS))
    yield _step(machine, "delete", f"delete the releases and logs under {root}", gone)


def purge(machine: Machine) -> Iterator[RootStep]:
    """Leaves the host as it was found, as far as it was us who changed it."""
    name, root = words(machine.name), words(machine.layout.root)
    yield _step(machine, "stop", "stop the workers and PM2", _stop(machine))
    yield _step(machine, "site", "take the site out of nginx", _without_site(machine))
    yield _step(machine, "stores", "delete the app's databases", _without_stores(machine))
    yield _step(machine, "packages", "remove the packages that were installed for it", _without_packages(machine), limit=900)
    # A user of that name, or a folder, that we did not make is not ours to delete.
    text = f"""\
home=$(getent passwd {name} | cut -d: -f6)
if [ "$home" = {root} ]; then
  rm -rf -- {root}
  userdel {name}
fi"""
    yield _step(machine, "user", f"delete the user {machine.name} and {machine.layout.root}", text)


def _step(machine: Machine, name: str, title: str, action: str, limit: float = 120) -> RootStep:
    return RootStep(name=name, title=title, reason="remove", action=action, limit=limit, host=machine.host.address)


def _stop(machine: Machine) -> str:
    unit = f"pm2-{machine.name}.service"
    return f"""\
if [ -e /etc/systemd/system/{unit} ]; then
  systemctl disable --quiet --now {unit}
  rm -f /etc/systemd/system/{unit}
  systemctl daemon-reload
fi"""


def _without_site(machine: Machine) -> str:
    """Also where it is gone already: nginx may know it still."""
    return f"""\
rm -f {words(site.path(machine))}
! command -v nginx >/dev/null || {{ nginx -t -q && systemctl try-reload-or-restart nginx 9>&-; }}"""


def _without_stores(machine: Machine) -> str:
    name = machine.name
    redis = f"/etc/redis/redis-{name}.conf"
    return f"""\
if grep -qs '^# chatops:' {redis}; then
  systemctl disable --quiet --now redis-server@{name}
  rm -rf {redis} /etc/systemd/system/redis-server@{name}.service.d /var/lib/redis-{name} /var/log/redis/redis-{name}.log
  systemctl daemon-reload
fi
# A database of that name that we did not make is not ours to drop.
if [ -e {machine.stamps}/postgres ] && command -v psql >/dev/null; then
  cd /
  systemctl start postgresql
  ask() {{ runuser -u postgres -- psql -qtAX -v ON_ERROR_STOP=1 -c "$1"; }}
  ask {words(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')}
  ask {words(f'DROP ROLE IF EXISTS "{name}"')}
  sed -i {words(f"/^{stores.mark(machine)} begin/,/^{stores.mark(machine)} end/d")} "$(ask 'SHOW hba_file')"
  ask 'SELECT pg_reload_conf()' >/dev/null
fi
if [ -e {site.certificates(machine)} ]; then certbot delete -n --cert-name chatops-{name}; fi
rm -f /etc/letsencrypt/renewal-hooks/deploy/chatops-{name} /etc/nginx/chatops-{name}.hsts
rm -f /etc/systemd/system/certbot.service.d/chatops-{name}.conf
systemctl daemon-reload"""


def _without_packages(machine: Machine) -> str:
    store, name = machine.store, machine.name
    return f"""\
rm -f /etc/logrotate.d/chatops-{name} /var/log/nginx/chatops-{name}.*
{packages.WAITING}
{host.restored(machine)}
rm -rf -- {store}/stamps {store}/incoming {store}/before {store}/secrets {store}/acme.pem"""
