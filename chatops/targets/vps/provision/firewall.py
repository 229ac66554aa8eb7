"""ufw: ssh, HTTP and HTTPS from anywhere, and in fleets what hosts need of each other; nobody is locked out by it."""

from __future__ import annotations

from collections.abc import Iterator

from chatops.shell import words, write
from chatops.targets.vps.provision.machine import PRIVATE_PORT, Machine, RootStep
from chatops.targets.vps.provision.stores import REDIS_PORT

DEAD_MAN = 60
"""Seconds until the firewall goes away again, unless we come in over a new connection."""


def unit(machine: Machine) -> str:
    """The unit that takes the firewall away: started by its timer, and at boot where the host was not up until then."""
    return f"chatops-firewall-{machine.name}"


def _file(machine: Machine) -> str:
    return f"/etc/systemd/system/{unit(machine)}.service"


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
  {write(_file(machine), _text(machine)).replace(chr(10), chr(10) + "  ")}
  systemctl daemon-reload
  systemctl enable --quiet {unit(machine)}.service
  systemd-run --quiet --collect --unit={unit(machine)}.service --on-active={DEAD_MAN} --timer-property=AccuracySec=1s
  sync -f {words(_file(machine))}
  ufw --force enable 9>&-
fi"""
    return machine.step("firewall", "shut all ports but those of ssh, HTTP and HTTPS (ufw)", action)


def _text(machine: Machine) -> str:
    """A timer alone would be gone after a reboot, and the firewall would stay."""
    undo = f"ufw --force disable && cp -p {words(machine.store / 'ufw')}/* /etc/ufw/ && {_away(machine)}"
    return f"""\
# chatops: takes the firewall away again that nobody has confirmed. Written by `chatops deploy`, gone when it is confirmed.
[Unit]
Description=Take the unconfirmed firewall of {machine.name} away
After=ufw.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c {words(undo)}

[Install]
WantedBy=multi-user.target"""


def _away(machine: Machine) -> str:
    """A command that disarms it for good."""
    return f"systemctl disable --quiet {unit(machine)}.service && rm -f {words(_file(machine))}"


def disarmed(machine: Machine) -> str:
    """Commands after which nothing takes the firewall away any more."""
    return f"""\
systemctl stop {unit(machine)}.timer 2>/dev/null || :
[ ! -e {words(_file(machine))} ] || {{ {_away(machine)}; }}"""


def confirmed(machine: Machine) -> str:
    """What we say over a new connection: we can still come in, so the firewall may stay."""
    stamp = words(machine.stamps / "firewall")
    return f"{disarmed(machine)}\nufw status | grep -q '^Status: active' && [ -e {stamp} ]"


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
