"""Which of root's steps a host needs: what was never applied, what would be applied otherwise now, and what broke since."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from chatops.sanitize import sanitize
from chatops.targets.vps.facts import HostFacts
from chatops.targets.vps.provision import account, firewall, nginx, packages, runtime, site, stores, tls
from chatops.targets.vps.provision.machine import Machine, RootStep

ALIVE = {"active", "reloading", "activating"}
NEVER = "not done there yet"
OTHERWISE = "would be done otherwise now"


def due(machine: Machine, facts: HostFacts) -> tuple[RootStep, ...]:
    """The steps to do, in order, each with the reason in its detail; empty when the host is as it should be."""
    broken = [(tls.ASKED_THROUGH, "a certificate is asked for through it"), *_broken(machine, facts)]
    late = {
        step.name: found
        for step in _all(machine, facts)
        for found in _late(step, facts, [why for name, why in broken if name == step.name])
    }
    if "certificate" not in late or _answers_challenges(machine, facts):
        late.pop(tls.ASKED_THROUGH, None)
    return tuple(late.values())


def shut(machine: Machine, facts: HostFacts) -> tuple[RootStep, ...]:
    """The firewall's step, where it is due: it comes last, and by itself."""
    if not machine.block.firewall:
        return ()
    broken = [] if facts.firewall == "active" else ["ufw is not on"]
    broken += [f"`ufw {rule}` is gone" for rule in sorted(unruled(machine, facts))]
    return tuple(_late(firewall.step(machine, facts.port), facts, broken))


def _late(step: RootStep, facts: HostFacts, broken: Iterable[str]) -> Iterator[RootStep]:
    """The step with why it is due; nothing where it is not. `broken`: what is not any more as it was left."""
    if (applied := facts.stamps.get(step.name)) is None:
        yield replace(step, detail=NEVER)
    elif why := [*([OTHERWISE] if applied != step.digest else []), *broken]:
        yield replace(step, reason="change", detail="\n".join(why))


def unruled(machine: Machine, facts: HostFacts) -> frozenset[str]:
    """Rules of the app's that ufw has no more, in its words; none where we may not read them."""
    noted = frozenset(facts.markers.get(firewall.note(machine), "").split("\n")) - {""}
    return frozenset() if facts.rules is None else noted - facts.rules


def unused(machine: Machine, facts: HostFacts) -> Iterator[RootStep]:
    """What can go besides: versions of PM2 from which it does not run; versions of Node.js that neither a set, nor a release
    that is kept, nor PM2 itself runs on."""
    recipes = facts.there.recipes.values()
    programs = {one.run_set.node for one in facts.there.sets} | {one.run_set.node for one in recipes}
    known = None not in programs and (facts.daemon_runtime or not facts.there.daemon)
    used = {machine.node.version, facts.daemon_runtime, *(program.parent.parent.name for program in programs if program)}
    if facts.root and (old := sorted({*facts.tools} - {machine.pm2.name})):
        yield runtime.prune_pm2(machine, old)
    if facts.root and known and (spare := sorted(set(facts.runtimes) - used)):
        yield runtime.prune(machine, spare)


def units(machine: Machine) -> dict[str, str]:
    """The units that a host may have to run (names, or systemd's patterns), each with the step that brings it back.

    `postgresql.service` stays active when the server behind it has ended: that is a unit of its own.
    """
    own = {f"pm2-{machine.name}.service": "unit", f"redis-server@{machine.name}.service": "redis"}
    stores = {"postgresql.service": "postgres", "postgresql@*.service": "postgres"}
    return {**own, **stores, "nginx.service": "site", "certbot.timer": "certificate"}


def stopped(machine: Machine, facts: HostFacts) -> Iterator[str]:
    """Those of `units` that this host has to run, and that do not run or would not after a reboot."""
    wanted = {step.name for step in _all(machine, facts)}
    return (unit for unit, step in units(machine).items() if step in wanted and not _runs(unit, facts))


def _runs(unit: str, facts: HostFacts) -> bool:
    alive = (name for name, one in facts.units.items() if one.active in ALIVE)
    return any(name != unit or facts.units[name].enabled != "disabled" for name in alive if fnmatchcase(name, unit))


def _how(unit: str, facts: HostFacts) -> str:
    """What is wrong with a unit that does not run, or would not after a reboot."""
    found = next((one for name, one in facts.units.items() if fnmatchcase(name, unit)), None)
    return f"{unit} is {'not there' if not found else 'disabled' if found.active in ALIVE else found.active}"


def _all(machine: Machine, facts: HostFacts) -> Iterator[RootStep]:
    yield packages.step(machine)
    if "app" in machine.roles:
        yield account.step(machine)
        yield runtime.node(machine)
        yield runtime.pm2(machine)
        yield runtime.unit(machine)
        yield runtime.rotation(machine)
    if "data" in machine.roles and machine.block.redis == "managed":
        yield stores.redis(machine)
    if "data" in machine.roles and machine.block.database == "managed":
        yield stores.postgres(machine)
    if "app" in machine.roles or "balancer" in machine.roles:
        yield from _web(machine, facts)


def _web(machine: Machine, facts: HostFacts) -> Iterator[RootStep]:
    yield nginx.limits(machine)
    secure = machine.block.tls if "balancer" in machine.roles else None
    if secure:
        yield tls.asked_through(machine, facts.markers.get(site.path(machine), ""))
        yield tls.certificate(machine, secure)
    kind = "HTTPS " if secure else "" if machine.alone or "balancer" in machine.roles else "private "
    yield nginx.install(machine, "site", site.text(machine, secure=secure is not None), f"put the {kind}nginx site in force")


def _answers_challenges(machine: Machine, facts: HostFacts) -> bool:
    """Whether the site that is there already leads the authority to what certbot wants to show it."""
    there = facts.markers.get(site.path(machine), "")
    return f"server_name {machine.block.domain};" in there and site.CHALLENGES in there


def _broken(machine: Machine, facts: HostFacts) -> Iterator[tuple[str, str]]:
    """What a stamp says is there, and is not: the step that brings it back, and what it is."""
    if missing := sorted(set(packages.wanted(machine)) - facts.packages.keys()):
        yield "packages", f"not installed: {', '.join(missing)}"
    yield from ((units(machine)[unit], _how(unit, facts)) for unit in stopped(machine, facts))
    if machine.node.version not in facts.runtimes:
        yield "node", f"Node.js {machine.node.version} is not there"
    if not facts.there.pm2_installed:
        yield "pm2", f"{machine.pm2.name} is not there"
    if not facts.there.daemon:
        yield "unit", "PM2 does not run"
    if not facts.app_user:
        yield "account", f"the user {machine.name} is not there"
    wanted, there = site.text(machine, secure=machine.secure), facts.markers.get(site.path(machine), "")
    if site.plain(there) != site.plain(wanted):
        yield "site", _changes(there, wanted) if there else f"{site.path(machine)} is not there"


def _changes(before: str, after: str) -> str:
    """What differs between two sites, as `diff -u0` has it. Of lines that go only the directive: somebody may have written a
    password into one."""
    from difflib import unified_diff  # seldom needed

    there, wanted = (site.plain(text).splitlines() for text in (before, after))
    lines = [sanitize(_hidden(line)) for line in [*unified_diff(there, wanted, n=0, lineterm="")][2:]]
    return "\n".join(lines) or "its lines end otherwise"


def _hidden(line: str) -> str:
    return re.sub(r"^(-\s*\S+\s).+", r"\1…", line)
