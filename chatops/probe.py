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
from chatops.model import App

if TYPE_CHECKING:
    import httpx

ASK_EVERY = 0.05
SAY_EVERY = 0.2
SETTLE = 3.0
"""Seconds that messages under way get to arrive before they count as lost."""
ROOM = "chatops-probe"


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

    def __init__(self, url: str, app: App, clients: int = 3) -> None:
        self._health = url + app.health
        self._requests = Requests()
        self._tally = Tally()
        room = f"{ROOM}-{uuid.uuid4().hex[:8]}"
        socket = f"ws{url.removeprefix('http')}{app.websocket}" if app.websocket else None
        names = range(clients) if socket else ()
        self._clients = [Client(socket or "", room, f"probe {number}", self._tally, last=0) for number in names]
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to ask and to talk, with everything loaded: what is measured may last a second only."""
        http = health.client(self._health, keep_alive=True)
        talk = [self._talk(client) for client in self._clients]
        stay = [client.stay() for client in self._clients]
        self._running = [asyncio.create_task(part) for part in (self._ask(http), *talk, *stay)]

    async def stop(self) -> Impact | None:
        """Stops talking, waits for what is under way, and tells what was felt; None where nothing ever answered."""
        asking, *others = self._running
        talking, staying = others[: len(self._clients)], others[len(self._clients) :]
        await _end([asking, *talking])
        await self._settle()
        lost = self._lost()
        await _end(staying)
        return self._impact(lost) if self._requests.count else None

    async def _settle(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                while self._lost():
                    self._tally.arrived.clear()
                    await self._tally.arrived.wait()

    def _impact(self, lost: int) -> Impact:
        gap = self._requests.longest_gap * 1000
        spoken = len(self._tally.sent) if any(client.spoke for client in self._clients) else 0
        return Impact(self._requests.count, self._requests.failed, spoken, lost, self._tally.doubled, round(gap, 1))

    def _lost(self) -> int:
        """Messages that somebody in the room has not seen."""
        speaking = [client for client in self._clients if client.spoke]
        return len(set().union(*(client.missing() for client in speaking))) if speaking else 0

    def latencies(self) -> dict[str, dict[str, float]]:
        """Percentiles in milliseconds of what was asked and of what was said (until acknowledged)."""
        return {"requests": percentiles(self._requests.latencies), "messages": percentiles(self._tally.latencies)}

    @property
    def reconnects(self) -> int:
        """Connections that ended without a drain and were made again."""
        return self._tally.reconnects

    async def _ask(self, http: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        async with http:
            due = loop.time()
            while True:
                begun = time.monotonic()
                seen = await health.sample(http, self._health)
                self._requests.add(begun, time.monotonic(), seen.ok)
                due = max(due + ASK_EVERY, loop.time())
                await asyncio.sleep(due - loop.time())

    async def _talk(self, client: Client) -> None:
        while True:
            await asyncio.sleep(SAY_EVERY)
            if client.spoke:
                await client.say("are you there?")


def prober(url: str | None, app: App) -> Probe | None:
    """The probe of a deploy; None where nothing serves yet, so that nobody can feel anything."""
    return Probe(url, app) if url else None


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
