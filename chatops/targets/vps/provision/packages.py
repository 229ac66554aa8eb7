"""Debian packages: what each role needs, in one run of apt that waits for its turn."""

from __future__ import annotations

from chatops.shell import words
from chatops.targets.vps.provision.machine import HOST, Machine, RootStep

PATIENCE = 300
"""Seconds that somebody else's work with apt is waited for: a new host installs its updates first."""
BASE = ("ca-certificates", "curl", "xz-utils")


def wanted(machine: Machine) -> tuple[str, ...]:
    """The packages of a host's roles."""
    data = "data" in machine.roles
    extra = {
        "nginx": "balancer" in machine.roles or "app" in machine.roles,
        "logrotate": "app" in machine.roles,
        "redis-server": data and machine.block.redis == "managed",
        "postgresql": data and machine.block.database == "managed",
        "certbot": "balancer" in machine.roles and machine.block.tls is not None,
        "ufw": machine.block.firewall,
    }
    return (*BASE, *(name for name, needed in extra.items() if needed))


def step(machine: Machine) -> RootStep:
    """Installs what is missing and notes what came with it, so that `remove --purge` can take it away again."""
    names = wanted(machine)
    action = f"""\
missing=
before={words(machine.store / "before")}
installed() {{ dpkg-query -W -f '${{db:Status-Status}} ${{Package}}\n' | sed -n 's/^installed //p' | LC_ALL=C sort -u; }}
for package in {words(*names)}; do
  [ "$(dpkg-query -W -f '${{db:Status-Status}}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  await_apt {PATIENCE}
  dpkg --configure -a 9>&-
  # An installation that broke off is counted from its beginning.
  [ -e "$before" ] || installed >"$before"
  # A fresh host has no lists at all, an old one has old lists: only a failure asks for new ones.
  # shellcheck disable=SC2086  # several words
  apt install $missing || {{ apt update && apt install $missing; }}
  mkdir -p {HOST}
  installed | comm -13 "$before" - >>{HOST}/installed
  rm -f "$before"
fi
case $missing in
  # Each app has an instance of its own; the package's would listen without a password.
  *redis-server*) systemctl disable --quiet --now redis-server ;;
esac"""
    return machine.step("packages", f"install {', '.join(names[len(BASE) :])} (apt)", f"{WAITING}\n{APT}\n{action}", limit=900)


WAITING = """\
# Who holds a lock of apt's: `PROGRAM (process PID)`. Locks of fcntl(2) are seen in /proc/locks alone.
apt_holder() {
  for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    inode=$(stat -c %i "$lock" 2>/dev/null) || continue
    pid=$(awk -v end=":$inode" 'substr($6, length($6) - length(end) + 1) == end { print $5; exit }' /proc/locks)
    [ -z "$pid" ] || { echo "$(cat "/proc/$pid/comm" 2>/dev/null || echo somebody) (process $pid)"; return; }
  done
}
await_apt() {
  waited=0
  while holder=$(apt_holder); [ -n "$holder" ]; do
    [ "$waited" -lt "$1" ] || { echo "apt is in use by $holder, still after $1 s"; exit 1; }
    [ $((waited % 15)) -ne 0 ] || echo "waiting: apt is in use by $holder"
    sleep 1
    waited=$((waited + 1))
  done
}"""
APT = """\
apt() {
  verb=$1
  shift
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8 apt-get -qq -o DPkg::Lock::Timeout=300 \\
    -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$verb" -y --no-install-recommends "$@" 9>&-
}"""
