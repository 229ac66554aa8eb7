"""ufw: ssh, HTTP and HTTPS from anywhere, and in fleets what hosts need of each other; nobody is locked out by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import PurePosixPath

from chatops.shell import words
from chatops.targets.vps.provision import stores
from chatops.targets.vps.provision.machine import HOST, PRIVATE_PORT, Machine, RootStep, readable

DEAD_MAN = 60
"""Seconds until all is as before again, unless we come in over a new connection."""
POSTGRES_PORT = 5432


def unit(machine: Machine) -> str:
    """The unit that takes our changes back: started by its timer, and at boot where the host was not up until then."""
    return f"chatops-firewall-{machine.name}"


def _file(machine: Machine) -> str:
    return f"/etc/systemd/system/{unit(machine)}.service"


def note(machine: Machine) -> PurePosixPath:
    """The rules that the app needs on this host, one a line, in ufw's own words."""
    return machine.store / "rules"


def step(machine: Machine, port: int = 0) -> RootStep:
    """Opens what is needed, then shuts the rest for now; `confirmed` disarms what would take that back.

    `port` is the one through which we came in (0: not known): from elsewhere the step would be no other one.
    """
    title = "shut all ports but those of ssh, HTTP and HTTPS (ufw)"
    return machine.step("firewall", title, _action(machine, port), key=_action(machine, 0))


def _action(machine: Machine, port: int) -> str:
    return f"""\
{_noted(machine)}
{_armed(machine)}
if ! ufw status | grep -q '^Status: active'; then
  shut=1
  mkdir -p {HOST}
  {{ {OTHERS}; }} >{HOST}/ufw
  {_ssh(port).replace(chr(10), chr(10) + "  ")}
fi
# What somebody allowed without us stays theirs.
while read -r rule; do
  # shellcheck disable=SC2086  # several words
  ufw show added | grep -qxF "ufw $rule" || ufw $rule comment chatops >/dev/null
done <{words(note(machine))}
{swept(machine)}
[ -z "${{shut-}}" ] || ufw --force enable 9>&-"""


def _noted(machine: Machine) -> str:
    """Redis has the port that was free: a rule for another would open somebody else's."""
    lines = [f"printf '%s\\n' {words(rule)}" for rule in _rules(machine)]
    if "data" in machine.roles and machine.block.redis == "managed" and not machine.alone:
        lines.append(f"redis=$(sed -n 's/^port //p' {words(stores.redis_config(machine))})")
        lines += [f'printf {words(_from(client, "%s") + chr(92) + "n")} "$redis"' for client in machine.peers.apps]
    path = note(machine)
    listed = "\n".join(f"  {line}" for line in lines) or "  :"
    return f"{{\n{listed}\n}} >{words(f'{path}.new')}\nmv -f {words(f'{path}.new', path)}"


def _rules(machine: Machine) -> Iterator[str]:
    if machine.alone or "balancer" in machine.roles:
        yield "allow 80/tcp"
        yield "allow 443/tcp"
    if not machine.alone and "app" in machine.roles:
        yield _from(machine.peers.balancer, PRIVATE_PORT)
    if not machine.alone and "data" in machine.roles and machine.block.database == "managed":
        yield from (_from(client, POSTGRES_PORT) for client in machine.peers.apps)


def _from(address: str, port: int | str) -> str:
    with suppress(ValueError):
        address = str(ip_address(address))  # as ufw writes it
    return f"allow from {address} to any port {port} proto tcp"


OTHERS = "ufw show added | grep '^ufw ' | grep -v \" comment 'chatops\" || :"
"""What is let in, or kept out, without us."""


def _ssh(port: int) -> str:
    """Where we are, where sshd listens now, and where it will after a restart; what restricts one of these ports stays."""
    return f"""\
ruled() {{
  awk -v port="$1" '
    /^### tuple ### (allow|limit)/ && $5 != "udp" {{
      for (n = split($6, ranges, ","); n; n--) {{
        last = split(ranges[n], range, ":")
        if (port + 0 >= range[1] && port + 0 <= range[last]) found = 1
      }}
    }}
    END {{ exit !found }}' /etc/ufw/user.rules /etc/ufw/user6.rules
}}
now=$(ss -Htlnp | awk '/"sshd"/ && $4 !~ /^(127\\.|\\[::1\\])/ {{ sub(/.*:/, "", $4); print $4 }}')
# Where systemd listens for it, sshd may not even run.
socket=$(! systemctl is-active --quiet ssh.socket || systemctl show -p Listen ssh.socket |
  awk '/\\(Stream\\)$/ && !/=(127\\.|\\[::1\\])/ {{ sub(/.*:/, ""); print $1 }}')
for port in {port or ""} $now $socket $(sshd -T 2>/dev/null | sed -n 's/^port //p'); do
  ruled "$port" || ufw allow "$port/tcp" comment 'chatops ssh' >/dev/null
done"""


def swept(machine: Machine) -> str:
    """Commands that take away rules of ours which no app on the host needs any more."""
    return f"""\
ufw show added | sed -n "s/^ufw \\(.*\\) comment 'chatops'$/\\1/p" | while read -r rule; do
  # shellcheck disable=SC2086  # several words
  cat {words(machine.store.parent)}/*/rules 2>/dev/null | grep -qxF "$rule" || ufw delete $rule >/dev/null </dev/null
done"""


def _armed(machine: Machine) -> str:
    """What comes back is from before all that nobody has confirmed. A timer alone would be gone after a reboot."""
    kept, file = words(machine.store / "ufw"), words(_file(machine))
    return f"""\
if [ ! -e {file} ]; then
  install -d -m 700 {kept}
  cp -p /etc/ufw/ufw.conf /etc/ufw/user.rules /etc/ufw/user6.rules {kept}
fi
systemctl stop {unit(machine)}.timer 2>/dev/null || :
{readable(_file(machine), _text(machine))}
systemctl daemon-reload
systemctl enable --quiet {unit(machine)}.service
systemd-run --quiet --collect --unit={unit(machine)}.service --on-active={DEAD_MAN} --timer-property=AccuracySec=1s
sync -f {file}"""


def _text(machine: Machine) -> str:
    before, stamp = machine.store / "ufw", machine.stamps / "firewall"
    undo = f"rm -f {words(stamp)} && ufw --force disable && cp -p {words(before)}/* /etc/ufw/ && ufw reload && {_away(machine)}"
    return f"""\
# chatops: takes back what was done to the firewall and nobody has confirmed. Written by `chatops deploy`, gone when confirmed.
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
