"""What would reach a goal on the hosts: pure functions from what was seen there to steps, phase by phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace

from chatops import rollout
from chatops.errors import TargetError
from chatops.frozen import frozen
from chatops.goals import Deploy, Gate, Goal, Phase, Plan, Remove, Rollback, Scale, Step, after
from chatops.model import Environment, State
from chatops.program import ShellStep
from chatops.redact import Secret
from chatops.steps import Site
from chatops.targets.vps.facts import HostFacts
from chatops.targets.vps.provision import purge, site
from chatops.targets.vps.provision.due import due, shut, unused
from chatops.targets.vps.provision.machine import AppStep, Machine, RootStep, for_user, titled
from chatops.targets.vps.refusals import memory_needed, place, room
from chatops.targets.vps.through import through

ORDER = ("provision", "firewall", "prepare", "switch", "settle")


@frozen(kw_only=True)
class VpsState(State):
    """What was seen on each host that answered, and what is wrong with the others."""

    hosts: Mapping[str, HostFacts] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    mirror: str = ""
    """Why no Node.js could be found for a host that has none."""


@frozen
class Fleet:
    """The machines of a target, by address, and the public address. `sites` are those of the app hosts."""

    machines: Mapping[str, Machine]
    url: str
    by: str = ""

    def site(self, machine: Machine, facts: HostFacts) -> Site:
        """What the shared steps want to know of a host."""
        block = machine.block
        major = machine.node.version.partition(".")[0]
        provided = tuple(provided_secrets(machine))
        # Only a deploy brings the PM2 of this tool's version, or for another Node; until then there is the one before.
        pm2 = machine.pm2 if facts.there.pm2_installed else machine.pm2.with_name("current")
        common = (machine.app, machine.workers, block.keep, self.url, machine.layout, machine.scripts, pm2)
        slots, node, stores = site.slots(machine.workers), machine.node_program, machine.peers.data
        return Site(*common, major, facts.arch, provided, slots, node, stores, self.by)

    def apps(self, state: VpsState) -> Iterator[tuple[Machine, HostFacts]]:
        """The app hosts that answered."""
        for machine, facts in self.seen(state):
            if "app" in machine.roles:
                yield machine, facts

    def seen(self, state: VpsState) -> Iterator[tuple[Machine, HostFacts]]:
        """The hosts that answered, in the file's order."""
        for address, machine in self.machines.items():
            if address in state.hosts:
                yield machine, state.hosts[address]


def provided_secrets(machine: Machine) -> Iterator[str]:
    """The secrets that provisioning leaves on app hosts."""
    if machine.block.database == "managed":
        yield "DATABASE_URL"
    if machine.block.redis == "managed":
        yield "REDIS_URL"


def elsewhere(machine: Machine) -> Environment:
    """Stores that somebody else runs: their URLs may hold passwords."""
    given = {"DATABASE_URL": machine.block.database, "REDIS_URL": machine.block.redis}
    return {name: Secret(url) for name, url in given.items() if url not in {"managed", "none"}}


def plan(fleet: Fleet, state: VpsState, goal: Goal) -> Plan:
    """The plan for any goal. Raises ConfigError or TargetError where it can't be reached from here."""
    notices = tuple(_notices(fleet, state, goal))
    if isinstance(goal, Remove):
        return Plan(goal, _remove(fleet, state, goal), None, notices)
    if isinstance(goal, Deploy):
        goal = after(goal, state.releases)
    if isinstance(goal, Scale):
        fleet = replace(fleet, machines={key: replace(one, workers=goal.workers) for key, one in fleet.machines.items()})
    base = _base(fleet, state) if isinstance(goal, Deploy | Scale) else ()
    rollouts = {machine.host.address: _rollout(fleet, machine, facts, goal) for machine, facts in fleet.apps(state)}
    if not rollouts:
        raise TargetError("no app host can be reached", "`chatops doctor` says what is wrong with each")
    rolled = _merged(fleet, state, rollouts, busy=bool(base))
    # nginx may know new workers only when they have proved themselves, and gone ones no longer.
    phases = (*rolled, *base) if _grows(fleet, state, goal) else (*base, *rolled)
    phases = _tidied(fleet, state, phases) if isinstance(goal, Deploy) else phases
    first = next(iter(rollouts.values()))
    said = dict.fromkeys(notice for one in rollouts.values() for notice in one.notices)
    moved = tuple(_moved(fleet, state)) if isinstance(goal, Deploy) else ()
    made = Plan(goal, phases, first.release, (*notices, *moved, *said), apart=bool(moved))
    for machine, facts in fleet.apps(state) if isinstance(goal, Deploy) and made.changes else ():
        room(facts, machine.layout.root)
    return made


def _notices(fleet: Fleet, state: VpsState, goal: Goal) -> Iterator[str]:
    """Raises TargetError where a host is missing that the goal can't do without."""
    for address, reason in state.unreachable.items():
        tolerant = isinstance(goal, Rollback) or (isinstance(goal, Deploy) and goal.skip_unreachable)
        if not tolerant:
            hint = "`--skip-unreachable` deploys to the others" if isinstance(goal, Deploy) else "all hosts are needed for this"
            raise TargetError(reason, hint)
        yield f"{address} is left out: {reason}"
    for machine, facts in fleet.apps(state) if isinstance(goal, Deploy) else ():
        if facts.memory_free < (needed := memory_needed(machine)):
            free = f"{facts.memory_free // 1024**2} MiB of memory free"
            yield f"{facts.host} has {free}, about {needed // 1024**2} MiB are needed: old and new workers run side by side"
    if state.unseen and not isinstance(goal, Remove):
        yield f"{state.unseen}: the release is proved on the host itself"


def _moved(fleet: Fleet, state: VpsState) -> Iterator[str]:
    """Stores that are other ones than those of the workers that serve now: nobody carries over what is in these."""
    for machine, facts in fleet.apps(state):
        live, block = facts.there.facts(facts.there.live), machine.block
        names = [name for name, of in (("PostgreSQL", block.database), ("Redis", block.redis)) if of == "managed"]
        own = machine.host.private or machine.host.address
        before, after = (live.run_set.stores if live else "") or own, machine.peers.data or own
        if live and names and before != after:
            yield f"{facts.host} gets the {' and '.join(names)} of {after}: what is stored on {before} is not carried over"


def _base(fleet: Fleet, state: VpsState) -> tuple[Phase, ...]:
    """What root has to do first. Raises TargetError where we may not become root, or know no Node.js; and ConfigError where
    another app has our place."""
    for machine, facts in fleet.seen(state):
        place(machine, facts)
    if state.mirror:
        raise TargetError(state.mirror, "a host without Node.js needs one from `node_mirror`")
    first = {machine.host.address: due(machine, facts) for machine, facts in fleet.seen(state)}
    last = {machine.host.address: shut(machine, facts) for machine, facts in fleet.seen(state)}
    for address in fleet.machines:
        needed = [*first.get(address, ()), *last.get(address, ())]
        if needed and not state.hosts[address].root:
            titles = ", ".join(step.title for step in needed)
            raise TargetError(
                f"`{address}` needs root for: {titles}", "log in as root, or give the user sudo without a password"
            )
    return (*_phase("provision", fleet, first.values()), *_phase("firewall", fleet, last.values()))


def _tidied(fleet: Fleet, state: VpsState, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
    """What nobody uses any more goes along with a change: by itself it would be no reason for one."""
    spare = tuple(step for machine, facts in fleet.apps(state) for step in unused(machine, facts))
    if not spare or all(step.reason == "skip" for phase in phases for step in phase.steps):
        return phases
    named = _named(fleet, spare)
    if phases[0].name == "provision":
        return (replace(phases[0], steps=(*phases[0].steps, *named)), *phases[1:])
    return (Phase("provision", named), *phases)


def _phase(name: str, fleet: Fleet, hosts: Iterable[Iterable[RootStep]]) -> Iterator[Phase]:
    if found := _named(fleet, (step for steps in hosts for step in steps)):
        yield Phase(name, found)


def _named(fleet: Fleet, steps: Iterable[RootStep | AppStep]) -> tuple[Step, ...]:
    """In a fleet with their hosts' names."""
    return tuple(titled(step, step.host) if len(fleet.machines) > 1 else step for step in steps)


def _rollout(fleet: Fleet, machine: Machine, facts: HostFacts, goal: Goal) -> rollout.Rollout:
    where, there = fleet.site(machine, facts), facts.there
    if isinstance(goal, Deploy):
        goal = replace(goal, env={**goal.env, **elsewhere(machine)})
        return rollout.deploy(where, there, goal, (), ready=True)
    if isinstance(goal, Rollback):
        if goal.to not in there.recipes and there.live is None:
            goal = replace(goal, to=None)
        return rollout.rollback(where, there, goal, (), facts.host if len(fleet.machines) > 1 else "")
    if isinstance(goal, Scale):
        return rollout.scale(replace(where, workers=machine.block.workers), there, goal)
    return rollout.restart(where, there, ())


def _grows(fleet: Fleet, state: VpsState, goal: Goal) -> bool:
    lives = [facts.there.facts(facts.there.live) for _, facts in fleet.apps(state)]
    return isinstance(goal, Scale) and any(live and live.proved < goal.workers for live in lives)


def _merged(fleet: Fleet, state: VpsState, rollouts: Mapping[str, rollout.Rollout], *, busy: bool) -> tuple[Phase, ...]:
    """The phases of all hosts as one course: everything is prepared and proved before anything is switched."""
    idle = {address for address, one in rollouts.items() if all(step.reason == "skip" for step in _steps(one))}
    phases: list[Phase] = []
    releases = {one.release for one in rollouts.values()}
    common = next(iter(releases)) if len(releases) == 1 else None  # each host may go back to its own
    for name in ("prepare", "switch", "settle"):
        steps: list[AppStep] = []
        gate = None
        for address, one in rollouts.items():
            if address in idle and (len(idle) < len(rollouts) or busy):
                continue
            for phase in one.phases:
                if phase.name == name:
                    steps += [_placed(step, address) for step in _with_proof(fleet, address, phase)]
                    gate = _outside(phase, state, common)
        if steps:
            phases.append(Phase(name, _named(fleet, steps), gate))
    return tuple(phases)


def _outside(phase: Phase, state: VpsState, release: str | None) -> Gate | None:
    """The gate from here, as users meet the app, where they can be followed."""
    return replace(phase.gate, authority=state.authority, release=release) if phase.gate and not state.unseen else None


def _steps(one: rollout.Rollout) -> Iterator[Step]:
    return (step for phase in one.phases for step in phase.steps)


def _with_proof(fleet: Fleet, address: str, phase: Phase) -> Iterator[Step]:
    """After the switch each host proves itself through its own nginx, before the next one follows."""
    yield from phase.steps
    if phase.gate:
        yield through(fleet.machines[address], phase.gate)


def _placed(step: Step, address: str) -> AppStep:
    if isinstance(step, ShellStep):
        return for_user(step, address)
    return for_user(ShellStep(name=step.name, title=step.title, reason=step.reason, check="true"), address)


def _remove(fleet: Fleet, state: VpsState, goal: Remove) -> tuple[Phase, ...]:
    steps: list[RootStep] = []
    for machine, facts in fleet.seen(state):
        # Our own folder goes last: it may be all that is left, where the tool was killed before that.
        if facts.stamps or facts.app_user or (goal.purge and machine.lock in facts.markers):
            if not facts.root:
                hint = "log in as root, or give the user sudo without a password"
                raise TargetError(f"`{machine.host.address}` needs root to remove the app", hint)
            steps += purge.purge(machine) if goal.purge else purge.remove(machine)
    return tuple(_phase("settle", fleet, [steps]))
