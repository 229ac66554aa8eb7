"""What a deploy to the hosts would need, and what has stopped somebody's deploy before: findings on what was seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from chatops.events import plain, rfc3339
from chatops.steps import counted
from chatops.targets.base import Checkup, Finding
from chatops.targets.vps.facts import HostFacts
from chatops.targets.vps.plan import Fleet, VpsState
from chatops.targets.vps.provision.due import due, shut, stopped, units, unruled
from chatops.targets.vps.provision.machine import Machine
from chatops.targets.vps.refusals import memory_needed

LEAST_DISK = 1024**3
LEAST_INODES = 20_000
MOST_SKEW = 5.0
SERVERS = ("nginx", "postgresql", "redis-server", "certbot")
SYSTEMS = {"debian", "ubuntu"}
GLIBC = (2, 28)
DAY = 86_400
WARNING_DAYS = 20
ERROR_DAYS = 7


def checkup(fleet: Fleet, state: VpsState) -> Checkup:
    """The findings on every host, and what they are about."""
    return Checkup(tuple(findings(fleet, state)), {facts.host: seen(facts) for _, facts in fleet.seen(state)})


def seen(facts: HostFacts) -> dict[str, Any]:
    """The facts as JSON can have them, without the texts of files: somebody may have written a secret into one."""
    there, lock = facts.there, facts.lock
    more = {
        "rules": None if facts.rules is None else sorted(facts.rules),
        "lock": {**plain(lock), "since": rfc3339(lock.since)} if lock else None,
        "live": there.live,
        "previous": there.previous,
        "releases": {kept.id: kept.state for kept in there.releases},
        "pm2": {"installed": there.pm2_installed, "running": there.daemon},
    }
    hidden = {"host", "markers", "checks", "there", *more}
    return {**{one.name: plain(getattr(facts, one.name)) for one in fields(facts) if one.name not in hidden}, **more}


def findings(fleet: Fleet, state: VpsState) -> Iterator[Finding]:
    """One line a thing, host after host."""
    for address, reason in state.unreachable.items():
        yield Finding(address, "error", reason, "`ssh` to it by hand says more")
    for machine, facts in fleet.seen(state):
        for finding in _host(machine, facts):
            yield Finding(f"{facts.host} {finding.name}", finding.status, finding.message, finding.hint)
    yield from _domain(next(iter(fleet.machines.values())), state)


def _host(machine: Machine, facts: HostFacts) -> Iterator[Finding]:
    yield _system(facts)
    yield _glibc(facts)
    yield _rights(machine, facts)
    yield _at_least("disk", facts.disk_free, LEAST_DISK, "free some space first")
    yield _inodes(facts)
    if "app" in machine.roles:
        yield _at_least("memory", facts.memory_free, memory_needed(machine), "fewer `workers` need less")
    yield _clock(facts)
    yield _software(facts)
    yield from _app(facts)
    yield from _ports(machine, facts)
    yield from _certificate(machine, facts)
    yield from _boot(machine, facts)
    yield from _stopped(machine, facts)
    yield from _firewall(machine, facts)
    if facts.reboot_required:
        yield Finding("reboot", "warning", "the system waits for a reboot", "the app comes back by itself")
    if facts.lock:
        yield Finding("lock", "warning", f"{facts.lock.who} runs `{facts.lock.what}`", "`chatops attach` watches it")


def _system(facts: HostFacts) -> Finding:
    message = f"{facts.os or 'unknown'} {facts.os_version} on {facts.arch}"
    if facts.os in SYSTEMS and facts.arch in {"x86_64", "aarch64"}:
        return Finding("system", "ok", message)
    return Finding("system", "error", message, "Debian and Ubuntu on x86_64 or aarch64 can be used")


def _glibc(facts: HostFacts) -> Finding:
    version = tuple(int(part) for part in facts.glibc.split(".")[:2] if part.isdigit())
    if version >= GLIBC:
        return Finding("glibc", "ok", facts.glibc)
    return Finding("glibc", "error", facts.glibc or "not found", "Node.js needs 2.28 or newer")


def _rights(machine: Machine, facts: HostFacts) -> Finding:
    needed = [*due(machine, facts), *shut(machine, facts)]
    titles = f"{len(needed)} steps of root's are due" if needed else "nothing is due that needs root"
    if facts.root or not needed:
        return Finding("rights", "ok", f"logged in as {facts.user}; {titles}")
    return Finding(
        "rights", "error", f"{facts.user} can't become root; {titles}", "log in as root, or allow sudo without password"
    )


def _at_least(name: str, free: int, needed: int, hint: str) -> Finding:
    message = f"{free // 1024**2} MiB free, about {needed // 1024**2} MiB needed"
    return Finding(name, "ok", message) if free >= needed else Finding(name, "warning", message, hint)


def _inodes(facts: HostFacts) -> Finding:
    message = f"{facts.inodes_free} free"
    # Some file systems have no limit, and say 0.
    fine = facts.inodes_free >= LEAST_INODES or facts.inodes_free == 0
    return Finding("inodes", "ok" if fine else "warning", message, "" if fine else "delete many small files first")


def _clock(facts: HostFacts) -> Finding:
    message = f"{facts.skew:+.1f} s from ours"
    if abs(facts.skew) <= MOST_SKEW:
        return Finding("clock", "ok", message)
    return Finding(
        "clock",
        "warning",
        message,
        "`timedatectl set-ntp true` sets it: apt and certificates need it right, and logs tell wrong times",
    )


def _software(facts: HostFacts) -> Finding:
    node = [f"Node.js {version}" for version in sorted(facts.runtimes)]
    pm2 = ["PM2"] if facts.there.pm2_installed else []
    packages = [f"{name} {facts.packages[name]}" for name in SERVERS if name in facts.packages]
    return Finding("software", "ok", ", ".join([*node, *pm2, *packages]) or "nothing of what the app needs is installed yet")


def _app(facts: HostFacts) -> Iterator[Finding]:
    if live := facts.there.facts(facts.there.live):
        message = f"serves {live.run_set.release}, {live.alive} of {counted(live.workers, 'worker')} alive"
        fine = live.alive == live.workers
        yield Finding("app", "ok" if fine else "warning", message, "" if fine else "`chatops logs` says why")


def _ports(machine: Machine, facts: HostFacts) -> Iterator[Finding]:
    """What would stand in nginx's way."""
    for port in (80, *((443,) if machine.block.tls else ())):
        others = {one.program for one in facts.listening if one.port == port} - {"nginx", ""}
        if others:
            yield Finding(f"port {port}", "error", f"taken by {', '.join(sorted(others))}", "stop that program first")


def _certificate(machine: Machine, facts: HostFacts) -> Iterator[Finding]:
    """certbot's timer renews it 30 days before it ends: with so little left it has failed for a while."""
    if not machine.secure or facts.certificate_left is None:
        return
    days = math.floor(facts.certificate_left / DAY)
    message = f"ends in {counted(days, 'day')}" if days >= 0 else f"ended {counted(-days, 'day')} ago"
    if days >= WARNING_DAYS:
        yield Finding("certificate", "ok", message)
    else:
        hint = "`certbot renew` on the host says why it is not renewed; `systemctl status certbot.timer` whether it is tried"
        yield Finding("certificate", "error" if days < ERROR_DAYS else "warning", message, hint)


def _boot(machine: Machine, facts: HostFacts) -> Iterator[Finding]:
    """Whether the app would be back after a reboot."""
    if "app" not in machine.roles or not facts.there.live:
        return
    unit = facts.units.get(f"pm2-{machine.name}.service")
    if unit is None or unit.enabled != "enabled":
        yield Finding("boot", "error", "PM2 does not start at boot", "`chatops deploy` mends it")
    elif not facts.there.daemon:
        yield Finding("boot", "warning", "PM2 does not run: workers that end are not restarted", "`chatops deploy` mends it")
    else:
        yield Finding("boot", "ok", "the app comes back after a reboot")


def _stopped(machine: Machine, facts: HostFacts) -> Iterator[Finding]:
    """What was set up here once, and is at rest now; PM2 is spoken of above."""
    steps = units(machine)
    here = [unit for unit in stopped(machine, facts) if steps[unit] in facts.stamps and steps[unit] != "unit"]
    for name in dict.fromkeys(unit.partition(".")[0].partition("@")[0] for unit in here):
        message = "it does not run, or would not after a reboot"
        yield Finding(name, "error", message, f"`chatops deploy` brings it back; `systemctl status '{name}*'` there says more")


def _firewall(machine: Machine, facts: HostFacts) -> Iterator[Finding]:
    if "firewall" in facts.stamps and machine.block.firewall and facts.firewall == "inactive":
        yield Finding("firewall", "error", "ufw is off", "`chatops deploy` brings it back")
    elif facts.firewall == "active":
        yield Finding("firewall", "ok", "ufw is on")
    for rule in sorted(unruled(machine, facts)):
        yield Finding("firewall", "error", f"`ufw {rule}` is gone", "`chatops deploy` brings it back")


def _domain(machine: Machine, state: VpsState) -> Iterator[Finding]:
    if domain := machine.block.domain:
        fine, hint = not state.unseen, "its DNS record must name the balancer, or what passes requests on to it"
        message = state.unseen or f"{domain} leads there"
        yield Finding("domain", "ok" if fine else "warning", message, "" if fine else hint)
