"""The app on this machine, behind `http://127.0.0.1:PORT`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path, PurePosixPath

from chatops import health
from chatops.cachefolder import cache
from chatops.errors import Interrupted, StepFailed, TargetError, Unhealthy
from chatops.events import Event, Finished, LogLine, plain, rfc3339
from chatops.goals import Deploy, Goal, Phase, Plan, Remove
from chatops.model import App, Worker
from chatops.pm2 import SCRIPTS, Layout
from chatops.redact import Redactor, Secret
from chatops.steps import Site
from chatops.targets.base import Checkup
from chatops.targets.local.client import carry, look, node, place
from chatops.targets.local.client.journal import join
from chatops.targets.local.client.lock import held
from chatops.targets.local.client.once import once
from chatops.targets.local.config import Block
from chatops.targets.local.plan import LocalState, plan
from chatops.whoami import who


def make(name: str, block: Block, app: App, folder: Path) -> LocalTarget:
    """The target of a block; its things lie in `.chatops/NAME` beside the file."""
    return LocalTarget(name, block, app, folder)


class LocalTarget:
    """PM2 workers on Unix sockets behind a TCP front."""

    kind = "local"

    def __init__(self, name: str, block: Block, app: App, folder: Path) -> None:
        self.name = name
        self._block = block
        self._app = app
        self._root = folder / ".chatops" / name
        self._known: look.Known = {}
        self._carrier: carry.Carrier | None = None

    @property
    def _layout(self) -> Layout:
        return Layout(PurePosixPath(place.short(self._root)), PurePosixPath(cache()))

    def _site(self) -> tuple[Site, node.Node]:
        found, layout = node.find(), self._layout
        scripts = layout.root / "scripts" / node.scripts_digest()
        pm2 = PurePosixPath(node.pm2_folder(found))
        url = f"http://127.0.0.1:{self._block.port}"
        common = (self._app, self._block.workers, self._block.keep, url, layout, scripts, pm2)
        return Site(*common, found.major, os.uname().machine, by=who()), found

    async def inspect(self, *, closely: bool = False) -> LocalState:
        """What is there now; nothing is started for it."""
        site, _ = self._site()
        there = look.deployed(site)
        front = look.front_port(site.layout)
        taken = None if front == self._block.port else look.port_owner(self._block.port)
        strays = look.strays(Path(site.layout.root)) if taken and not front else ()
        live = there.facts(there.live) if closely else None
        return LocalState(
            target=self.name,
            kind=self.kind,
            url=site.url if there.live else None,
            releases=there.releases,
            workers=tuple(look.workers(there, self._known)),
            lock=held(Path(site.layout.state)),
            checks=await health.private(live.run_set.ops(0), self._app.health) if live else {},
            there=there,
            front_port=front,
            port_owner=None if strays else taken,
            strays=strays,
        )

    def plan(self, state: LocalState, goal: Goal) -> Plan:
        """What would reach `goal` from `state`."""
        return plan(self._site()[0], self._block.port, state, goal)

    async def carry_out(self, plan: Plan, phase: Phase) -> AsyncGenerator[Event, None]:
        """Does one phase; the first takes the lock, the last gives it back; one that failed keeps it for the way back."""
        self._carrier = carrier = self._carrier or await self._carry(plan)
        try:
            async with aclosing(carrier.phase(plan, phase)) as events:
                async for event in events:
                    yield event
        except (StepFailed, Unhealthy, Interrupted):
            carrier.go_on()
            raise
        except BaseException:
            self._let_go()
            raise
        if phase == plan.phases[-1]:
            self._let_go()
            if isinstance(plan.goal, Remove):
                place.forget(self._root, keep_shared=not plan.goal.purge)

    async def _carry(self, plan: Plan) -> carry.Carrier:
        secrets = plan.goal.env.values() if isinstance(plan.goal, Deploy) else ()
        carrier = carry.Carrier(*self._site(), Redactor(value for value in secrets if isinstance(value, Secret)))
        place.make(self._root)
        await carrier.lock(type(plan.goal).__name__.lower(), who())
        try:
            carrier.ship(plan)
        except BaseException:
            carrier.release()
            raise
        return carrier

    def _let_go(self) -> None:
        if self._carrier:
            self._carrier.release()
            self._carrier = None

    async def attach(self) -> AsyncGenerator[Event, None]:
        """Joins a change that runs on this machine."""
        state = Path(self._layout.state)
        if held(state) is None:
            raise TargetError("nothing is being changed here", "`chatops status` shows what is there")
        async with aclosing(join(state)) as events:
            async for event in events:
                yield event

    def script(self, plan: Plan) -> str:
        """The programs of a plan."""
        return "\n".join(carry.program(*self._site(), plan, phase) for phase in plan.phases)

    async def logs(self, tail: int, follow: bool, since: float | None) -> AsyncGenerator[LogLine, None]:
        """The workers' files: what serves, what is warm, and the front."""
        from chatops.targets.local.client import logs

        redact = Redactor(look.secrets(self._layout))
        async with aclosing(logs.lines(self.name, Path(self._layout.logs), tail, follow, since, redact)) as lines:
            async for line in lines:
                yield line

    async def workers(self) -> Sequence[Worker]:
        """Every worker, looked at through psutil."""
        return await asyncio.to_thread(lambda: look.workers(look.deployed(self._site()[0]), self._known))

    async def run(self, arguments: Sequence[str]) -> int:
        """A command in the environment of the release that serves."""
        site, found = self._site()
        there = look.deployed(site)
        live = there.facts(there.live)
        if live is None:
            raise TargetError("nothing is deployed here yet", "`chatops deploy` comes first")
        spec = live.run_set.folder / "0.json"
        return await once((found.program, SCRIPTS / "launch.cjs", "run", spec, *arguments))

    async def doctor(self) -> Checkup:
        """What a deploy here would need."""
        from chatops.targets.local.client import doctor

        return Checkup(doctor.findings(self._root, self._block, await self.inspect()))

    async def remember(self, plan: Plan, finished: Finished) -> None:
        """Gives the lock back, and writes one line in `state/history.ndjson`."""
        self._let_go()
        path = Path(self._layout.state) / "history.ndjson"
        if path.parent.is_dir() and not isinstance(plan.goal, Remove):
            entry = {"what": type(plan.goal).__name__.lower(), "who": who(), **plain(finished)}
            with path.open("a") as file:
                file.write(json.dumps({**entry, "time": rfc3339(finished.time)}) + "\n")

    async def close(self) -> None:
        """Gives the lock back."""
        self._let_go()
