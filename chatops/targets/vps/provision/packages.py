"""Debian packages: what each role needs, in one run of apt that waits for its turn."""

from __future__ import annotations

from chatops.shell import words
from chatops.targets.vps.provision.machine import Machine, RootStep

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
    """Installs what is missing and notes it, so that `remove --purge` can take it away again."""
    names = wanted(machine)
    action = f"""\
missing=
now={words(machine.store / "now")}
for package in {words(*names)}; do
  [ "$(dpkg-query -W -f '${{db:Status-Status}}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  dpkg --configure -a 9>&-
  # A fresh host has no lists at all, an old one has old lists: only a failure asks for new ones.
  # shellcheck disable=SC2086  # several words
  apt install $missing || {{ apt update && apt install $missing; }}
  # What apt never takes away by itself is named here, too.
  dpkg-query -W -f '${{db:Status-Status}} ${{Package}}\n' 'postgresql*' 2>/dev/null | sed -n 's/^installed //p' >"$now"
  case $missing in *postgresql*) missing="$missing $(tr '\n' ' ' <"$now")" ;; esac
  rm -f "$now"
  printf '%s\n' "$missing" >>{words(machine.store / "installed")}
fi
case $missing in
  # Each app has an instance of its own; the package's would listen without a password.
  *redis-server*) systemctl disable --quiet --now redis-server ;;
esac"""
    return machine.step("packages", f"install {', '.join(names[len(BASE) :])} (apt)", f"{APT}\n{action}", limit=900)


APT = """\
apt() {
  verb=$1
  shift
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8 apt-get -qq -o DPkg::Lock::Timeout=300 \\
    -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$verb" -y --no-install-recommends "$@" 9>&-
}"""
