"""What users feel: asks the public health address 20 times a second and keeps chat clients talking."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatops import health
from chatops.chat import Client, Tally
from chatops.events import Impact
from chatops.goals import Plan
from chatops.limits import LIMITS
from chatops.model import App, State

if TYPE_CHECKING:
    from pathlib import Path

ASK_EVERY = 0.05
SAY_EVERY = 0.2
SETTLE = 10.0
"""Seconds that messages under way get to arrive before they count as lost: a store may take 5, and who is refused waits 2."""
BEFORE, AFTER = 0.5, 0.25
"""Seconds from the start in which everybody should have an answer before a switch; for which they go on after it at least."""
ROOM = "chatops-probe"
CLIENTS = 3


@dataclass(slots=True)
class Requests:
    """Requests of one keep-alive client since the app answered well for the first time; times in seconds."""

    count: int = 0
    failed: int = 0
    longest_gap: float = 0.0
    latencies: list[float] = field(default_factory=list)
    _waiting_since: float | None = None

    def add(self, begun: float, ended: float, good: bool) -> None:
        """Counts one; a gap lasts from the first question without an answer to the next good answer."""
        if not self.count and not good:
            return
        self.count += 1
        self.failed += not good
        self._waiting_since = begun if self._waiting_since is None else self._waiting_since
        self.longest_gap = max(self.longest_gap, ended - self._waiting_since)
        if good:
            self.latencies.append(ended - begun)
            self._waiting_since = None


class Probe:
    """Clients against one public address, from `start` to `stop`."""

    settle = SETTLE

    def __init__(self, url: str, app: App, clients: int = CLIENTS, authority: Path | None = None) -> None:
        self._health = url + app.health
        self._authority = authority
        self._requests = Requests()
        self._tally = Tally()
        room = f"{ROOM}-{uuid.uuid4().hex[:8]}"
        socket = f"ws{url.removeprefix('http')}{app.websocket}" if app.websocket else None
        names = range(clients) if socket else ()
        trust = health.trust(authority) if url.startswith("https:") else None
        self._clients = [Client(socket or "", room, f"probe {number}", self._tally, trust, last=0) for number in names]
        self._running: list[asyncio.Task[None]] = []
        self._asked = asyncio.Event()
        self._begun = self._until = 0.0

    async def start(self) -> None:
        """Begins to ask and to talk."""
        self._begun = time.monotonic()
        talk = [self._talk(client) for client in self._clients]
        stay = [client.stay() for client in self._clients]
        self._running = [asyncio.create_task(part) for part in (self._ask(), *talk, *stay)]

    async def ready(self) -> None:
        """Waits until the health address and every chat client had an answer, but not for long."""
        waiting = (self._asked, *(client.welcomed for client in self._clients))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._begun + BEFORE - time.monotonic()):
                await asyncio.gather(*(event.wait() for event in waiting))
        self._until = time.monotonic() + AFTER

    async def stop(self) -> Impact | None:
        """Stops, when everybody has said a last word and heard those of the others, and tells what was felt.

        None where nothing ever answered.
        """
        await asyncio.sleep(self._until - time.monotonic())
        asking, *others = self._running
        talking, staying = others[: len(self._clients)], others[len(self._clients) :]
        await _end(talking)
        for client in self._clients:
            await self._say(client)
        await self._settle()
        with suppress(TimeoutError):  # a first answer may take longer than the whole change
            async with asyncio.timeout(LIMITS.answer):
                await self._asked.wait()
        await _end([asking])
        lost = self._lost()
        await _end(staying)
        return self._impact(lost) if self._requests.count else None

    async def _settle(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settle):
                while self._lost():
                    self._tally.arrived.clear()
                    await self._tally.arrived.wait()

    def _impact(self, lost: int) -> Impact:
        gap = self._requests.longest_gap * 1000
        spoken = len(self._tally.sent) if any(client.welcomed.is_set() for client in self._clients) else 0
        return Impact(self._requests.count, self._requests.failed, spoken, lost, self._tally.doubled, round(gap, 1))

    def _lost(self) -> int:
        """Messages that somebody in the room has not seen."""
        speaking = [client for client in self._clients if client.welcomed.is_set()]
        return len(set().union(*(client.missing() for client in speaking))) if speaking else 0

    def latencies(self) -> dict[str, dict[str, float]]:
        """Percentiles in milliseconds of what was asked and of what was said (until acknowledged)."""
        return {"requests": percentiles(self._requests.latencies), "messages": percentiles(self._tally.latencies)}

    @property
    def reconnects(self) -> int:
        """Connections that ended without a drain and were made again."""
        return self._tally.reconnects

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        async with health.client(self._health, self._authority, keep_alive=True) as http:
            due = loop.time()
            while True:
                begun = time.monotonic()
                seen = await health.sample(http, self._health)
                self._requests.add(begun, time.monotonic(), seen.ok)
                self._asked.set()
                due = max(due + ASK_EVERY, loop.time())
                await asyncio.sleep(due - loop.time())

    async def _talk(self, client: Client) -> None:
        while True:
            await asyncio.sleep(SAY_EVERY)
            await self._say(client)

    async def _say(self, client: Client) -> None:
        if client.welcomed.is_set():
            await client.say("are you there?")


def prober(state: State, app: App, plan: Plan) -> Probe | None:
    """The probe of a plan; None where nothing serves yet, so that nobody can feel anything, or where we are nobody's users.

    Nobody talks where what was said before can't be known afterwards: it would all count as lost.
    """
    clients = 0 if plan.apart else CLIENTS
    return Probe(state.url, app, clients, state.authority) if state.url and not state.unseen else None


def percentiles(seconds: list[float]) -> dict[str, float]:
    """p50, p95, p99 and the maximum, in milliseconds; empty without values."""
    if len(seconds) < 2:
        return {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    values = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(seconds)}
    return {name: round(value * 1000, 2) for name, value in values.items()}


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
