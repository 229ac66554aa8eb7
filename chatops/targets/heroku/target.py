"""The app on Heroku, behind the address that the platform gives it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from chatops.errors import ConfigError, Locked, TargetError
from chatops.events import Event, Finished, LogLine
from chatops.model import App, Worker
from chatops.redact import Redactor, Secret
from chatops.targets.base import Checkup
from chatops.targets.heroku.client import access, read
from chatops.targets.heroku.client.api import Api
from chatops.targets.heroku.client.faults import Refused
from chatops.targets.heroku.config import Block
from chatops.targets.heroku.plan.state import HerokuState

if TYPE_CHECKING:
    from chatops.goals import Goal, Phase, Plan
    from chatops.targets.heroku.client.course import Course
    from chatops.targets.heroku.client.vitals import Vitals

BUSY = 5.0
"""Seconds before the next look while somebody else changes the app: looks cost calls, and calls are rationed."""


def make(name: str, block: Block, app: App, folder: Path) -> HerokuTarget:
    """The target of a block; build output is kept in `.chatops/NAME` beside the file."""
    return HerokuTarget(name, block, app, folder)


class HerokuTarget:
    """One app on Heroku. The token is looked for when it is first needed."""

    kind = "heroku"

    def __init__(self, name: str, block: Block, app: App, folder: Path) -> None:
        self.name = name
        self._app, self._block = app, block
        self._folder = folder / ".chatops" / name / "builds"
        self._course: Course | None = None
        self._left_building = False
        self._quiet_until = 0.0
        self._config: Mapping[str, str] = {}

    @cached_property
    def _api(self) -> Api:
        return Api(access.find())

    @property
    def _path(self) -> str:
        return read.app_path(self._block.app)

    @cached_property
    def _vitals(self) -> Vitals:
        from chatops.targets.heroku.client.vitals import Vitals

        return Vitals(self._api, self._path)

    async def inspect(self, *, closely: bool = False) -> HerokuState:
        """What is there now, read in parallel; dynos tell nothing in private."""
        await asyncio.sleep(max(0.0, self._quiet_until - time.monotonic()))
        try:
            state = await read.read(self._api, self.name, self._block, self._app.name)
        except Refused as error:
            if error.status != 403 or error.id not in ("forbidden", ""):
                raise
            hint = "names are shared by all of Heroku: choose another `app`, or use a token with the right to it"
            raise TargetError(f"the app `{self._block.app}` belongs to somebody else ({error.message})", hint) from None
        self._config = {name: value.reveal() for name, value in state.config.items()}
        return replace(state, left_building=self._left_building)

    def plan(self, state: HerokuState, goal: Goal) -> Plan:
        """What would reach `goal` from `state`."""
        from chatops.targets.heroku.plan import goals

        return goals.plan(goals.Wish(self._app, self._block), state, goal)

    async def carry_out(self, plan: Plan, phase: Phase) -> AsyncGenerator[Event, None]:
        """Does one phase, step after step."""
        from chatops.goals import Deploy

        env = plan.goal.env if isinstance(plan.goal, Deploy) else {}
        self._course = course = self._course or self._begin([value for value in env.values() if isinstance(value, Secret)])
        try:
            async with aclosing(_steps(course, phase)) as events:
                async for event in events:
                    yield event
        except BaseException as error:
            self._left_building, self._course = course.building is not None, None
            self._quiet_until = time.monotonic() + BUSY if isinstance(error, Locked) else 0.0
            raise
        if phase == plan.phases[-1]:
            self._course = None

    def _begin(self, more: Sequence[Secret] = ()) -> Course:
        from chatops.targets.heroku.client.course import Course

        return Course(self._api, self.name, self._block.app, self._folder, self._redactor(more))

    def _redactor(self, more: Sequence[Secret] = ()) -> Redactor:
        from chatops.targets.heroku.client.vitals import secrets

        return Redactor([*secrets(self._config, list(self._app.secrets)), self._api.access.token, *more])

    async def attach(self) -> AsyncGenerator[Event, None]:
        """Joins a build or a release phase that runs, from the first line of its output; then waits as a deploy does."""
        from chatops.targets.heroku.plan import goals

        course = self._begin()
        lock, build = await read.running(self._api, self._path)
        if lock is None:
            raise TargetError("nothing is being changed there", "`chatops status` shows what is there")
        phase = goals.join(goals.Wish(self._app, self._block), build)
        async with aclosing(_steps(course, phase)) as events:
            async for event in events:
                yield event

    def script(self, plan: Plan) -> str:
        """Raises ConfigError: nothing here is done by a program."""
        raise ConfigError("a Heroku plan has no script: its steps are API calls", "`chatops plan` lists them")

    async def logs(self, tail: int, follow: bool, since: float | None) -> AsyncGenerator[LogLine, None]:
        """Log sessions, one after the other; the platform keeps the last 1,500 lines."""
        from chatops.targets.heroku.client.logs import Log

        await self._learn_secrets()
        log = Log(self._api, self._path, self.name, self._redactor())
        async with aclosing(log.follow(tail, since) if follow else log.backlog(tail, since)) as lines:
            async for line in lines:
                self._vitals.heard(line)
                yield line

    async def _learn_secrets(self) -> None:
        """Values that the log must not show. An app that is not there has none."""
        if not self._config:
            self._config = await self._api.get(f"{self._path}/config-vars")

    async def workers(self) -> Sequence[Worker]:
        """The dynos; CPU and memory as far as the log and the app tell them."""
        return await self._vitals.workers()

    async def run(self, arguments: Sequence[str]) -> int:
        """A one-off dyno, attached to this terminal."""
        from chatops.targets.heroku.client import rendezvous

        return await rendezvous.run(self._api, self._path, arguments)

    async def doctor(self) -> Checkup:
        """Token, rights, verification, limits left, sizes and what the platform can't do."""
        from chatops.targets.heroku.client import doctor

        return Checkup(await doctor.doctor(self._api, self._block, self._app.name))

    async def remember(self, plan: Plan, finished: Finished) -> None:
        """Nothing to do: the platform keeps the history."""

    async def close(self) -> None:
        """Gives back connections."""
        if "_api" in self.__dict__:
            await self._api.close()


async def _steps(course: Course, phase: Phase) -> AsyncGenerator[Event, None]:
    from chatops.targets.heroku.client.progress import progress
    from chatops.targets.heroku.plan.steps import HerokuStep

    for step in phase.steps:
        async with aclosing(progress(course, phase.name, cast(HerokuStep, step))) as events:
            async for event in events:
                yield event
