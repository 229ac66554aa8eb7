"""A target on lists: a real implementation of the protocol, for tests of what stands above it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from chatops.errors import ConfigError, TargetError
from chatops.events import Event, Finished, LogLine, StepFinished, StepStarted
from chatops.goals import Goal, Phase, Plan, Step
from chatops.model import State, Worker
from chatops.targets.base import Checkup, Finding


def line(moment: float, message: str, **more: object) -> LogLine:
    """A log line of worker `chat-1` of target `fake`, unless `more` says otherwise."""
    return LogLine(**{"time": moment, "target": "fake", "worker": "chat-1", "message": message, **more})  # type: ignore[arg-type]


@dataclass
class FakeTarget:
    """What it has is in its lists; what it was asked is in `asked`.

    `history` is the log so far. `live` follows it: a number waits so many seconds, an exception is raised there once.
    """

    name: str = "fake"
    kind: str = "fake"
    state: State = field(default_factory=lambda: State(target="fake", kind="fake", url="http://fake.test"))
    history: list[LogLine] = field(default_factory=list)
    live: list[LogLine | float | Exception] = field(default_factory=list)
    events: list[Event | Exception] = field(default_factory=list)
    crew: list[Worker | Exception] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    closed: bool = False

    async def inspect(self, *, closely: bool = False) -> State:
        """The state it was given."""
        self.asked.append(("inspect",))
        return self.state

    def plan(self, state: State, goal: Goal) -> Plan:
        """One step that is called as the goal is."""
        return Plan(goal, (Phase("switch", (Step(name="fake", title=type(goal).__name__.lower()),)),))

    async def carry_out(self, plan: Plan, phase: Phase) -> AsyncGenerator[Event]:
        """Its `events`; without any, each step begins and ends."""
        self.asked.append(("carry_out", phase.name))
        for event in self.events or _done(phase):
            if isinstance(event, Exception):
                raise event
            yield event

    async def attach(self) -> AsyncGenerator[Event]:
        """Its `events`."""
        if not self.events:
            raise TargetError("nothing is being carried out")
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event

    async def remember(self, plan: Plan, finished: Finished) -> None:
        """Remembers how the plan ended."""
        self.asked.append(("remember", finished.ok))

    def script(self, plan: Plan) -> str:
        """It has none."""
        raise ConfigError("a fake target has no script")

    async def logs(self, tail: int, follow: bool, since: float | None) -> AsyncGenerator[LogLine]:
        """The end of its history, then `live`, which becomes history as it is told."""
        self.asked.append(("logs", tail, follow, since))
        told = [one for one in self.history if since is not None and one.time >= since]
        for one in told if since is not None else self.history[len(self.history) - min(tail, len(self.history)) :]:
            yield one
        while follow and self.live:
            following = self.live.pop(0)
            if isinstance(following, Exception):
                raise following
            if isinstance(following, LogLine):
                self.history.append(following)
                yield following
            else:
                await asyncio.sleep(following)

    async def workers(self) -> Sequence[Worker]:
        """Its crew; an exception in it is raised, once."""
        broken = next((one for one in self.crew if isinstance(one, Exception)), None)
        if broken is not None:
            self.crew.remove(broken)
            raise broken
        return [one for one in self.crew if isinstance(one, Worker)]

    async def run(self, arguments: Sequence[str]) -> int:
        """Nothing is run."""
        self.asked.append(("run", *arguments))
        return 0

    async def doctor(self) -> Checkup:
        """Its findings."""
        return Checkup(self.findings)

    async def close(self) -> None:
        """Remembers that it was closed."""
        self.closed = True


def _done(phase: Phase) -> list[Event]:
    now = time.time()
    return [
        event
        for step in phase.steps
        for event in (
            StepStarted(time=now, phase=phase.name, step=step.name, title=step.title),
            StepFinished(time=now, phase=phase.name, step=step.name, title=step.title, changed=True, seconds=0.0),
        )
    ]
