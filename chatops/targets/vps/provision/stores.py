"""Redis and PostgreSQL for the app alone: on loopback or a socket, with a secret that stays on the host."""

from __future__ import annotations

from pathlib import PurePosixPath

from chatops.shell import words, write
from chatops.targets.vps.provision.machine import Machine, RootStep, as_user, readable

REDIS_PORT = 6379


def redis(machine: Machine) -> RootStep:
    """An instance of its own, with a user that may do what apps do; the first free port from 6379 on."""
    name, secret = machine.name, words(secrets(machine) / "REDIS_URL")
    instance, config = f"redis-server@{name}", redis_config(machine)
    hosts = words("127.0.0.1", *([] if machine.alone else [machine.peers.data]))
    action = f"""\
config={words(config)}
{_keeping(machine)}
if [ -e "$config" ]; then
  port=$(sed -n 's/^port //p' "$config")
else
  port={REDIS_PORT}
  while ss -Htln "sport = :$port" | grep -q .; do port=$((port + 1)); done
fi
as_keeper test -s {secret} || {{
  password=$(fresh)
  keep {secret} "redis://{name}:$password@{_data(machine)}:$port"
}}
password=$(as_keeper sed 's#^[^:]*://[^:]*:##; s#@.*##' {secret})
hash=$(printf %s "$password" | sha256sum | cut -d' ' -f1)
bind=
for host in {hosts}; do bind="$bind $host"; done
cat >"$config.new" <<END
# chatops: Redis for {name}. Written by \\`chatops deploy\\`.
bind$bind
port $port
daemonize yes
supervised auto
pidfile /run/redis-{name}/redis-server.pid
logfile /var/log/redis/redis-{name}.log
dir /var/lib/redis-{name}
appendonly yes
maxmemory 256mb
maxmemory-policy noeviction
user default off
user {name} on #$hash ~* &* +@all -@admin -@dangerous -@scripting +info +keys +flushdb
END
chown redis:redis "$config.new"
chmod 640 "$config.new"
install -d -m 750 -o redis -g redis /var/lib/redis-{name}
cmp -s "$config.new" "$config" || changed=1
mv -f "$config.new" "$config"
{readable(f"/etc/systemd/system/{instance}.service.d/chatops.conf", f"[Service]{chr(10)}ReadWritePaths=/var/lib/redis-{name}")}
systemctl daemon-reload
systemctl enable --quiet {instance}
[ -z "${{changed-}}" ] || systemctl restart {instance} 9>&-
systemctl start {instance} 9>&-"""
    return machine.step("redis", f"run Redis for {name}", action)


def redis_config(machine: Machine) -> PurePosixPath:
    """The file of the app's instance, which knows its port."""
    return PurePosixPath(f"/etc/redis/redis-{machine.name}.conf")


def postgres(machine: Machine) -> RootStep:
    """A role and a database. On one host the app comes in as its own Unix user: there is no password to lose."""
    name, secret = machine.name, words(secrets(machine) / "DATABASE_URL")
    role = f'"{name}"'
    roles = words("SELECT rolname FROM pg_roles")
    bases = words("SELECT datname FROM pg_database")
    action = f"""\
{_keeping(machine)}
ask() {{ runuser -u postgres -- psql -qtAX -v ON_ERROR_STOP=1 "$@" 9>&-; }}
cd /
systemctl enable --quiet postgresql
systemctl start postgresql 9>&-
tries=0
until ask -c 'SELECT 1' >/dev/null 2>&1 || [ "$tries" -ge 100 ]; do
  tries=$((tries + 1))
  sleep 0.2
done
ask -c {roles} | grep -qxF {name} || ask -c {words(f"CREATE ROLE {role} LOGIN")}
ask -c {words(f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s'")}
ask -c {bases} | grep -qxF {name} || ask -c {words(f"CREATE DATABASE {role} OWNER {role}")}
{_peer(machine, secret) if machine.alone else _remote(machine, secret)}"""
    return machine.step("postgres", f"make the database {name}", action, limit=180)


def _peer(machine: Machine, secret: str) -> str:
    return f'as_keeper test -s {secret} || keep {secret} "postgres://{machine.name}@/{machine.name}?host=/var/run/postgresql"'


def _remote(machine: Machine, secret: str) -> str:
    """For the app hosts alone, each by its address; the firewall says the same."""
    name, clients = machine.name, machine.peers.apps
    rules = "\n".join(f"host {name} {name} {_network(client)} scram-sha-256" for client in clients)
    begin, end = f"{mark(machine)} begin", f"{mark(machine)} end"
    return f"""\
as_keeper test -s {secret} || {{
  password=$(fresh)
  printf '%s\\n' "ALTER ROLE \\"{name}\\" PASSWORD '$password'" | ask
  keep {secret} "postgres://{name}:$password@{_data(machine)}:5432/{name}"
}}
folder=$(ask -c 'SHOW config_file')
folder=${{folder%/*}}
hba=$folder/pg_hba.conf
sed {words(f"/^{begin}/,/^{end}/d")} "$hba" >"$hba.new"
printf '%s\\n' {words(begin, rules, end)} >>"$hba.new"
chown postgres:postgres "$hba.new"
chmod 640 "$hba.new"
mv -f "$hba.new" "$hba"
mkdir -p "$folder/conf.d"
{write("/etc/postgresql/chatops-listen.conf", f"listen_addresses = 'localhost,{machine.peers.data}'")}
cmp -s /etc/postgresql/chatops-listen.conf "$folder/conf.d/chatops.conf" || {{
  install -m 644 /etc/postgresql/chatops-listen.conf "$folder/conf.d/chatops.conf"
  systemctl restart postgresql 9>&-
}}
rm -f /etc/postgresql/chatops-listen.conf
ask -c 'SELECT pg_reload_conf()' >/dev/null"""


def mark(machine: Machine) -> str:
    """How lines of ours in PostgreSQL's list of clients begin and end."""
    return f"# chatops {machine.name}"


def secrets(machine: Machine):  # type: ignore[no-untyped-def]
    """Where the app finds its URLs; on a data host without the app they wait in root's folder to be fetched."""
    return machine.layout.secrets if "app" in machine.roles else machine.store / "secrets"


def _data(machine: Machine) -> str:
    address = machine.peers.data or "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _network(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


_KEEPING = """\
fresh() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \\n'; }
keep() { printf %s "$2" | as_keeper sh -c 'umask 077; mkdir -p "${1%/*}"; cat >"$1.new" && mv -f "$1.new" "$1"' sh "$1"; }"""


def _keeping(machine: Machine) -> str:
    """Secrets that lie in a folder of the app's user are read and written as that user."""
    keeper = as_user(machine.name, "") if "app" in machine.roles else ""
    return f"""\
as_keeper() {{ {keeper}"$@"; }}
{_KEEPING}"""
