"""A phase of a plan as one program a host, with everything that it needs to find there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from chatops.attached import goal
from chatops.environment import env_digest, env_file
from chatops.goals import Deploy, Phase, Plan
from chatops.pm2 import RunSet
from chatops.program import ShellStep, compile_program
from chatops.shell import words
from chatops.targets.vps import bundle
from chatops.targets.vps.facts import Member, Program
from chatops.targets.vps.plan import Fleet, elsewhere
from chatops.targets.vps.provision.machine import AppStep, Machine, RootStep

_PRELUDE = """\
# What a login session would have of the host's own: its proxies, and whom it trusts. Every step comes by here: no forks.
if [ -r /etc/environment ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    value=${line#*=}
    value=${value#[\\"\\']}
    case $line in
      http_proxy=?* | https_proxy=?* | no_proxy=?* | HTTP_PROXY=?* | HTTPS_PROXY=?* | NO_PROXY=?* | NODE_EXTRA_CA_CERTS=?*)
        export "${line%%=*}=${value%[\\"\\']}" ;;
    esac
  done </etc/environment
fi
[ ! -e /etc/npmrc ] || export npm_config_globalconfig=/etc/npmrc"""


def programs(
    fleet: Fleet, plan: Plan, phase: Phase, shipped: Mapping[str, tuple[Member, ...]]
) -> Iterator[tuple[str, Program]]:
    """(address, program) in the file's order; `shipped` are members beside those that the plan itself asks for."""
    for address, machine in fleet.machines.items():
        steps = list(_mine(phase, machine))
        if steps:
            members = (*_members(machine, plan, phase), *shipped.get(address, ()))
            yield address, _program(machine, plan, phase, steps, members)


def _mine(phase: Phase, machine: Machine) -> Iterator[RootStep | AppStep]:
    return (step for step in phase.steps if isinstance(step, RootStep | AppStep) and step.host == machine.host.address)


def _program(
    machine: Machine, plan: Plan, phase: Phase, steps: Iterable[RootStep | AppStep], members: tuple[Member, ...]
) -> Program:
    found = tuple(steps)
    root = isinstance(found[0], RootStep)
    following = plan.phases[plan.phases.index(phase) + 1 :]
    state = machine.store / "state" if root else machine.layout.state
    return Program(
        phase=phase.name,
        text=text(machine, plan, phase, found, root=root),
        user="root" if root else machine.name,
        state=state,
        lock=machine.lock,
        goal=goal(plan),
        left=tuple(later.name for later in following if any(True for _ in _mine(later, machine))),
        titles={step.name: step.title.removeprefix(f"{machine.host.address}: ") for step in found},
        proofs=frozenset(step.name for step in found if step.proves),
        members=members,
    )


def text(machine: Machine, plan: Plan, phase: Phase, steps: Iterable[ShellStep], *, root: bool) -> str:
    """What runs on the host, readable by anyone."""
    state = machine.store / "state" if root else machine.layout.state
    title = f"{type(plan.goal).__name__.lower()} {machine.name} on {machine.host.address}, phase {phase.name}"
    variables = {
        "program": state / f"{phase.name}.sh",
        "journal": state / "journal.ndjson",
        "stop": state / "stop",
        "node": machine.node_program,
    }
    own = "" if root else _own(machine)
    folders = (
        f"mkdir -p {words(machine.stamps)}\nchmod 755 {words(machine.store.parent, machine.store, machine.stamps)}\n"
        if root
        else ""
    )
    compiled = compile_program(title, list(steps), variables)
    return compiled.replace("\n\n", f"\n{own}{_PRELUDE}\n{folders}\n", 1)


def script(fleet: Fleet, plan: Plan) -> str:
    """All programs of a plan, phase after phase and host after host."""
    parts = []
    for phase in plan.phases:
        for machine in fleet.machines.values():
            if steps := list(_mine(phase, machine)):
                parts.append(text(machine, plan, phase, steps, root=isinstance(steps[0], RootStep)))
    return "\n".join(parts)


def _own(machine: Machine) -> str:
    """What only the app's user has: root runs nothing from a folder of somebody else's. A Node that the file names since the
    last deploy is not there yet when workers are only restarted, or older ones come back."""
    current = machine.runtime.with_name("current") / "bin" / "node"
    return f"""\
[ -x "$node" ] || node={words(current)}
export HOME={words(machine.layout.root)} PATH="${{node%/*}}:$PATH"
"""


def one_off(machine: Machine, run_set: RunSet, arguments: Sequence[str]) -> str:
    """A command beside the workers of a set: with their Node, and with the scripts that they were started from, which may be
    those of another version of this tool."""
    node, folder = run_set.node or machine.node_program, run_set.folder
    return f"""\
export HOME={words(machine.layout.root)} PATH={words(node.parent)}:"$PATH"
launch=$(sed -n 's/.*"script": *"\\([^"]*\\)".*/\\1/p' {words(folder / "apps.json")})
exec {words(node)} "$launch" {words("run", folder / "0.json", *arguments)}"""


def _members(machine: Machine, plan: Plan, phase: Phase) -> Iterator[Member]:
    if phase.name == "provision" and "app" in machine.roles:
        yield from bundle.lock(machine.store / "incoming" / "pm2")
    first = next((one.name for one in plan.phases if one.name in {"prepare", "switch", "settle"}), "")
    if phase.name == first and not machine.equipped and isinstance(phase.steps[0], AppStep):
        yield from bundle.scripts(machine.scripts)
    if phase.name == "prepare" and isinstance(plan.goal, Deploy):
        env, release = {**plan.goal.env, **elsewhere(machine)}, plan.goal.release
        yield Member(machine.layout.env(env_digest(env, machine.name + machine.peers.data)), env_file(env).encode())
        yield Member(machine.layout.state / "incoming" / f"{release.id}.tar", Path(release.archive))


def waves(fleet: Fleet, phase: Phase, made: Mapping[str, Program]) -> Iterator[dict[str, Program]]:
    """Stores before those who need their secrets; at the switch one host goes first and proves itself."""
    if phase.name == "provision":
        first = [address for address in made if "data" in fleet.machines[address].roles]
    else:
        first = list(made)[:1] if phase.name == "switch" else []
    for wave in (first, [address for address in made if address not in first]):
        if wave:
            yield {address: made[address] for address in wave}
