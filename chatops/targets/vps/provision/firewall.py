"""ufw: ssh, HTTP and HTTPS from anywhere, and in fleets what hosts need of each other; nobody is locked out by it."""

from __future__ import annotations

from collections.abc import Iterator

from chatops.shell import words
from chatops.targets.vps.provision.machine import PRIVATE_PORT, Machine, RootStep
from chatops.targets.vps.provision.stores import REDIS_PORT

DEAD_MAN = 60
"""Seconds until the firewall goes away again, unless we come in over a new connection."""


def unit(machine: Machine) -> str:
    """The timer that takes the firewall away."""
    return f"chatops-firewall-{machine.name}"


def step(machine: Machine) -> RootStep:
    """Opens what is needed, then shuts the rest for now. The stamp is left by `confirmed`."""
    rules = "\n".join(f"ufw {rule} >/dev/null" for rule in _rules(machine))
    kept = words(machine.store / "ufw")
    action = f"""\
install -d -m 700 {kept}
cp -p /etc/ufw/user.rules /etc/ufw/user6.rules {kept}
# Where sshd listens now, and where it will after a restart.
now=$(ss -Htlnp | awk '/"sshd"/ {{ sub(/.*:/, "", $4); print $4 }}')
for port in $now $(sshd -T 2>/dev/null | sed -n 's/^port //p'); do
  ufw allow "$port/tcp" >/dev/null
done
{rules}
if ! ufw status | grep -q '^Status: active'; then
  systemctl stop {unit(machine)}.timer 2>/dev/null || :
  systemd-run --quiet --collect --unit={unit(machine)} --on-active={DEAD_MAN} --timer-property=AccuracySec=1s \\
    sh -c {words(f"ufw --force disable && cp -p {kept}/* /etc/ufw/")}
  ufw --force enable 9>&-
fi"""
    return machine.step("firewall", "shut all ports but those of ssh, HTTP and HTTPS (ufw)", action)


def confirmed(machine: Machine) -> str:
    """What we say over a new connection: we can still come in, so the firewall may stay."""
    stamp = words(machine.stamps / "firewall")
    return f"systemctl stop {unit(machine)}.timer 2>/dev/null || :\nufw status | grep -q '^Status: active' && [ -e {stamp} ]"


def _rules(machine: Machine) -> Iterator[str]:
    if machine.alone or "balancer" in machine.roles:
        yield "allow 80/tcp"
        yield "allow 443/tcp"
    if machine.alone:
        return
    if "app" in machine.roles:
        yield words("allow", "from", machine.peers.balancer, "to", "any", "port", PRIVATE_PORT, "proto", "tcp")
    if "data" in machine.roles:
        for client in machine.peers.apps:
            ports = f"{REDIS_PORT},5432"
            yield words("allow", "from", client, "to", "any", "port", ports, "proto", "tcp")
