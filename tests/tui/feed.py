"""A scripted life of an app, the same in every run: what tests and pictures of the monitor are fed with."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from textual.pilot import Pilot
from textual.widget import Widget
from textual.worker import WorkerCancelled

from chatops.board import Board
from chatops.events import Event, Finished, HealthSample, LogLine, StepFinished, StepStarted, WorkerSample
from chatops.goals import Goal
from chatops.model import KeptRelease, State, Worker
from chatops.tui.app import MonitorApp
from chatops.tui.source import Source

NOW = 1_780_000_000.0
OLD, NEW = "9f31c2d07a", "c4e8a7b15e"
LINES = (
    ("info", "request method=GET path=/ status=200 ms=2.1"),
    ("info", "joined room=lobby members=14"),
    ("debug", "resumed session=4f2a after=1841"),
    ("info", "message room=lobby seq=1842 bytes=37"),
    ("warning", "slow store query ms=312 rows=200"),
    ("info", "left room=garden members=3"),
    ("error", "store: connection reset, tries again in 120 ms"),
)


def workers(release: str, time: float, count: int = 2) -> WorkerSample:
    """All workers of a release, with figures that follow from `time`."""
    beat = int(time)
    made = [
        Worker(
            name=f"chat-{release}-{index}",
            host="",
            state="up",
            pid=4100 + index,
            cpu_percent=5.0 + (beat * (3 + index)) % 41,
            memory_bytes=(64 + 5 * index + beat % 9) * 1024 * 1024,
            restarts=index,
            uptime_seconds=time - NOW + (100.0 if release == NEW else 5000.0),
            release=release,
        )
        for index in range(count)
    ]
    return WorkerSample(time=time, target="local", workers=tuple(made))


def health(time: float, release: str, *, ok: bool = True, latency: float = 3.2, target: str = "local") -> HealthSample:
    """One probe."""
    status, message = (200, "") if ok else (503, "answers 503")
    return HealthSample(time=time, target=target, ok=ok, status=status, latency_ms=latency, release=release, message=message)


def line(time: float, number: int, worker: str = "", target: str = "local", message: str = "") -> LogLine:
    """A log line, one of the few the app writes."""
    level, text = LINES[number % len(LINES)]
    name = worker or f"chat-{NEW}-{number % 2}"
    return LogLine(time=time, target=target, worker=name, level=level, message=message or text)  # type: ignore[arg-type]


def life(seconds: int = 300) -> Iterator[Event]:
    """Five minutes with a slow spell, a failed probe and a deploy."""
    for second in range(seconds):
        time = NOW - seconds + second
        release = OLD if second < seconds * 2 // 3 else NEW
        if second % 3 == 0:
            slow = second in range(60, 75)
            yield health(time, release, ok=second != 120, latency=1240.0 if slow else 2.5 + (second * 7) % 9)
        if second % 5 == 0:
            yield line(time + 0.25, second, f"chat-{release}-{second % 2}")
        yield workers(release, time + 0.5)


class Replay:
    """A feed of a list, that stays open as a live one does; `done` when all of it was taken."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = events
        self.done = asyncio.Event()

    async def __call__(self) -> AsyncIterator[Event]:
        """The events, then nothing more."""
        for event in self._events:
            yield event
        self.done.set()
        await asyncio.Event().wait()


def kept(current: str = NEW) -> State:
    """What `inspect()` would say before and after the deploy."""
    new, old = KeptRelease(NEW, "current", NOW - 100, "ana", "c4e8a7"), KeptRelease(OLD, "warm", NOW - 900, "ana", "9f31c2")
    releases = (new, old) if current == NEW else (replace(old, state="current"),)
    older = KeptRelease("aa00bb77d2", "kept", NOW - 90_000, "ben")
    return State(target="local", kind="local", url="http://127.0.0.1:3000", releases=(*releases, older))


class Acted:
    """Remembers what it was asked to do, and does it in two events."""

    def __init__(self) -> None:
        self.goals: list[Goal] = []

    async def __call__(self, goal: Goal) -> AsyncIterator[Event]:
        """The events of a plan that goes well."""
        self.goals.append(goal)
        yield StepStarted(time=NOW, phase="prepare", step="start", title="start worker 0")
        yield StepFinished(time=NOW, phase="prepare", step="start", title="start worker 0", changed=True, seconds=0.4)
        yield Finished(time=NOW, ok=True, changed=True, seconds=1.2, release=NEW)


def source(events: Iterable[Event], name: str = "local", act: Acted | None = None) -> Source:
    """A source on a list."""

    states = itertools.chain([kept(OLD)], itertools.repeat(kept(NEW)))

    async def look() -> State:
        return next(states)

    return Source(name=name, feed=Replay(events), look=look, act=act)


def monitor(*sources: Source, clock: Callable[[], float] = lambda: NOW) -> MonitorApp:
    """The screen over these sources, at a time that stands still."""
    return MonitorApp(sources, Board([source.name for source in sources], clock=clock))


def shown(pane: Widget) -> list[str]:
    """What a pane has on the screen, line by line."""
    return [pane.render_line(y).text.rstrip() for y in range(pane.size.height)]


@asynccontextmanager
async def running(app: MonitorApp, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[None]]:
    """The screen without a terminal, once its scripted feeds are told; the clock of `app` stands still, its timer does not."""
    async with app.run_test(size=size) as pilot:
        for source in app.sources.values():
            if isinstance(source.feed, Replay):
                await source.feed.done.wait()
        await painted(pilot)
        yield pilot


async def painted(pilot: Pilot[None]) -> None:
    """Everything that has happened is on the screen, and what was looked up because of it, too."""
    await pilot.pause()
    app = pilot.app
    assert isinstance(app, MonitorApp)
    app.repaint_all()
    while looks := [worker for worker in app.workers if worker.group.startswith("look-")]:
        with suppress(WorkerCancelled):  # by a later look at the same target
            await app.workers.wait_for_complete(looks)
        app.repaint_all()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Presses keys and waits for what they do."""
    await pilot.press(*keys)
    await painted(pilot)
