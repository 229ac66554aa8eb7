"""The app on servers of one's own, over SSH: one host, or a fleet with roles."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from chatops.errors import Interrupted, StepFailed, TargetError, Unhealthy
from chatops.events import Event, Finished, LogLine, Notice, plain, rfc3339
from chatops.goals import Deploy, Gate, Goal, Phase, Plan, Remove
from chatops.model import App, Worker
from chatops.redact import Redactor, Secret
from chatops.targets.base import Checkup
from chatops.targets.vps import fleet as fleets
from chatops.targets.vps.client import mirror, once, outside, supply
from chatops.targets.vps.client.address import written
from chatops.targets.vps.client.carry import Carrier
from chatops.targets.vps.client.fleet import together
from chatops.targets.vps.client.keys import Refused, on_terminal
from chatops.targets.vps.client.look import look
from chatops.targets.vps.client.reach import Reach, dial
from chatops.targets.vps.client.sampler import Sampler, sampled
from chatops.targets.vps.config import Block
from chatops.targets.vps.facts import HostFacts, Member, Program
from chatops.targets.vps.plan import Fleet, VpsState, plan
from chatops.targets.vps.programs import one_off, programs, script, waves
from chatops.targets.vps.provision.machine import Node
from chatops.whoami import who


def make(name: str, block: Block, app: App, folder: Path) -> VpsTarget:
    """The target of a block."""
    return VpsTarget(name, block, app, folder)


class VpsTarget:
    """PM2 workers on Unix sockets behind nginx, on one host or several."""

    kind = "vps"

    def __init__(self, name: str, block: Block, app: App, folder: Path) -> None:
        self.name = name
        self._block = block
        self._app = app
        self._folder = folder
        ask = on_terminal()
        self._reaches = {host.address: Reach(written(host, folder), ask) for host in block.hosts}
        self._carriers: dict[str, Carrier] = {}
        self._samplers: list[Sampler] = []
        self._left: dict[str, dict[str, str]] = {}
        self._fleet: Fleet = fleets.fleet(app, block, {})

    async def inspect(self, *, closely: bool = False) -> VpsState:
        """What is there now, on every host that answers; one round trip each."""
        reached, unreachable = await self._dialled()
        seen = await asyncio.gather(*(self._look(address, closely) for address in reached), return_exceptions=True)
        hosts: dict[str, HostFacts] = {}
        for address, facts in zip(reached, seen, strict=True):
            if isinstance(facts, HostFacts):
                hosts[address] = facts
            elif isinstance(facts, TargetError):
                unreachable[address] = facts
            else:
                raise facts
        if not hosts:
            raise next(iter(unreachable.values()))
        return await self._state(hosts, {address: error.message for address, error in unreachable.items()})

    async def _dialled(self) -> tuple[list[str], dict[str, TargetError]]:
        """Raises Refused: a host that shows a wrong key is no host that is down."""
        errors = dict(zip(self._reaches, await dial(list(self._reaches.values())), strict=True))
        for error in errors.values():
            if isinstance(error, Refused):
                raise error
        return [address for address, error in errors.items() if not error], {key: one for key, one in errors.items() if one}

    async def _look(self, address: str, closely: bool) -> HostFacts:
        link = await self._reaches[address].link()
        return await look(link, fleets.questions(self._fleet.machines[address], closely=closely))

    async def _state(self, hosts: Mapping[str, HostFacts], unreachable: Mapping[str, str]) -> VpsState:
        nodes, missing = await self._nodes(hosts)
        front = self._reaches[fleets.balancer(self._block).address].host
        self._fleet = fleets.fleet(self._app, self._block, nodes, hosts, front.hostname)
        apps = [
            facts for machine, facts in self._fleet.seen(VpsState(target="", kind="", hosts=hosts)) if "app" in machine.roles
        ]
        releases = fleets.releases(apps)
        current = next((kept.id for kept in releases if kept.state == "current"), None)
        serving = any(facts.there.live for facts in apps)
        authority = supply.authority(self._block, self._folder)
        gate = Gate(url=f"{self._fleet.url}{self._app.health}", release=current, authority=authority)
        unseen = await outside.unseen(gate, self._block.domain, front)
        return VpsState(
            target=self.name,
            kind=self.kind,
            url=self._fleet.url if serving else None,
            unseen=unseen,
            authority=authority,
            releases=releases,
            workers=tuple(worker for facts in apps for worker in facts.workers),
            lock=next((facts.lock for facts in hosts.values() if facts.lock), None),
            checks=next((facts.checks for facts in apps if facts.checks), {}),
            notices=tuple(fleets.notices(apps, unreachable, current, unseen if self._block.domain else "")),
            hosts=hosts,
            unreachable=unreachable,
            mirror=missing,
        )

    async def _nodes(self, hosts: Mapping[str, HostFacts]) -> tuple[dict[str, Node], str]:
        """The Node of each host; the mirror is asked only where one has none, and what it complains about comes second."""
        nodes: dict[str, Node] = {}
        for address, facts in hosts.items():
            if "app" not in self._fleet.machines[address].roles:
                continue
            found = fleets.installed(self._block.node, facts)
            try:
                nodes[address] = found or await mirror.find(self._block.node_mirror, self._block.node, facts.arch)
            except TargetError as error:
                return nodes, error.message
        return nodes, ""

    def plan(self, state: VpsState, goal: Goal) -> Plan:
        """What would reach `goal` from `state`."""
        return plan(self._fleet, state, goal)

    async def carry_out(self, plan: Plan, phase: Phase) -> AsyncGenerator[Event, None]:
        """Does one phase on every host that has a part in it."""
        made = dict(programs(self._fleet, plan, phase, await self._shipped(plan, phase)))
        try:
            for wave in waves(self._fleet, phase, made):
                async with aclosing(together(self._parts(plan, wave), last=phase == plan.phases[-1])) as events:
                    async for event in events:
                        yield event
            if phase.name == "firewall":
                hosts = (self._fleet.machines[one].host for one in made)
                await supply.confirm([Reach(written(host, self._folder)) for host in hosts], self._fleet)
            if phase == plan.phases[-1]:
                await self._release()
                if isinstance(plan.goal, Remove) and plan.goal.purge:
                    await supply.forget(self._reaches, self._fleet)
        except BaseException as error:
            if not isinstance(error, StepFailed | Unhealthy | Interrupted):  # else the way back comes next: nobody in between
                await self._release()
            raise

    def _parts(self, plan: Plan, wave: Mapping[str, Program]) -> dict[Carrier, Program]:
        goal = plan.goal
        secrets = goal.env.values() if isinstance(goal, Deploy) else ()
        redact = Redactor(value for value in secrets if isinstance(value, Secret))
        what = type(goal).__name__.lower()
        for address in wave:
            if address not in self._carriers:
                self._carriers[address] = Carrier(self._reaches[address], what, who(), redact)
        return {self._carriers[address]: program for address, program in wave.items()}

    async def _shipped(self, plan: Plan, phase: Phase) -> Mapping[str, tuple[Member, ...]]:
        """What hosts can't get or make themselves."""
        if phase.name == "provision":
            return await supply.for_provision(self._reaches, self._fleet, phase, self._folder)
        if phase.name == "prepare" and len(self._fleet.machines) > 1 and isinstance(plan.goal, Deploy):
            try:
                return await supply.secrets(self._reaches, self._fleet)
            except TargetError:
                if not plan.goal.skip_unreachable:
                    raise  # otherwise the app hosts go on with those they were given before
        return {}

    async def _release(self) -> None:
        carriers, self._carriers = self._carriers, {}
        await asyncio.gather(*(carrier.release() for carrier in carriers.values()), return_exceptions=True)

    async def attach(self) -> AsyncGenerator[Event, None]:
        """Joins a change on every host that it runs on. Raises what it ended with."""
        from chatops.targets.vps.client.attach import everywhere, join

        parts, state = [], await self.inspect()
        for machine, facts in self._fleet.seen(state):
            if facts.lock:
                link = await self._reaches[machine.host.address].link()
                states = (machine.store / "state", machine.layout.state)
                parts.append(join(link, machine.lock, states, "root" if facts.root else "", Redactor()))
        if not parts:
            raise TargetError("nothing is being changed there", "`chatops status` shows what is there")
        async with aclosing(everywhere(parts)) as events:
            async for event in events:
                yield event

    def script(self, plan: Plan) -> str:
        """The programs of a plan, host after host."""
        return script(self._fleet, plan)

    async def logs(self, tail: int, follow: bool, since: float | None) -> AsyncGenerator[LogLine | Notice, None]:
        """The workers' files and nginx's, of every host, in the order of time; after a cut on from where each was left."""
        from chatops.targets.vps.client.logs import Return, Source, lines

        state, sources = await self.inspect(), []
        for machine, facts in self._fleet.seen(state):
            globs = (f"{machine.layout.logs}/*.log", f"/var/log/nginx/chatops-{machine.name}.*.log")
            link = await self._reaches[machine.host.address].link()
            sources.append(Source(link, globs, (f"{machine.layout.secrets}/*",), "root" if facts.root else ""))
        absent = [Return(self._reaches[address]) for address in state.unreachable]
        async with aclosing(lines(self.name, sources, tail, follow, since, absent, self._left)) as found:
            async for line in found:
                yield line

    async def workers(self) -> Sequence[Worker]:
        """Every worker of every app host, from one channel each; those of a host that is lost count as down."""
        if not self._samplers:
            apps = (machine for machine in self._fleet.machines.values() if "app" in machine.roles)
            self._samplers = [Sampler(self._reaches[one.host.address], one.layout) for one in apps]
        return await sampled(self._samplers)

    async def run(self, arguments: Sequence[str]) -> int:
        """A command in the environment of the release that serves, on the first app host."""
        state = await self.inspect()
        for machine, facts in self._fleet.apps(state):
            if live := facts.there.facts(facts.there.live):
                link = await self._reaches[machine.host.address].link()
                return await once.run(link, one_off(machine, live.run_set, arguments), machine.name)
        raise TargetError("nothing is deployed here yet", "`chatops deploy` comes first")

    async def doctor(self) -> Checkup:
        """What a deploy there would need."""
        from chatops.targets.vps.doctor import checkup

        state = await self.inspect()  # looking tells what the machines are: before that a Node.js would seem to be due
        return checkup(self._fleet, state)

    async def remember(self, plan: Plan, finished: Finished) -> None:
        """One line in `state/history.ndjson` of every app host that was changed."""
        if not plan.changes or isinstance(plan.goal, Remove):
            return
        entry = {"what": type(plan.goal).__name__.lower(), "who": who(), **plain(finished)}
        line = json.dumps({**entry, "time": rfc3339(finished.time)})
        await supply.note(self._reaches, self._fleet, line)

    async def close(self) -> None:
        """Gives locks back and hangs up."""
        await self._release()
        await asyncio.gather(*(sampler.close() for sampler in self._samplers), return_exceptions=True)
        await asyncio.gather(*(reach.close() for reach in self._reaches.values()), return_exceptions=True)
