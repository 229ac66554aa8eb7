"""What workers use, once a second: one channel a host, read from /proc there; CPU from two samples."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

from chatops.errors import TargetError
from chatops.limits import LIMITS
from chatops.model import Worker, WorkerState
from chatops.pm2 import Layout
from chatops.resume import BACKOFF, Backoff
from chatops.sanitize import sanitize
from chatops.shell import assign
from chatops.targets.vps.client.keys import Refused
from chatops.targets.vps.client.look import highest
from chatops.targets.vps.client.proc import Child, Clock, Process
from chatops.targets.vps.client.reach import Reach

_SCRIPTS = [Path(__file__).with_name(name) for name in ("family.sh", "sample.sh")]
_ASK = Path(__file__).with_name("pm2.pl")
_CRASHED = {"waiting restart", "errored"}
"""What PM2 says of a process that ended by itself: it will start it again, or has given up."""

PATIENT = 2
"""How many failures in a row it takes until nobody waits for a host any more."""


@dataclass(slots=True)
class Sample:
    """One beat: the clocks, which sets serve and are warm, every record with the process that wrote it, and what PM2 says of
    its processes, where it was asked."""

    clock: Clock
    live: str = ""
    previous: str = ""
    found: list[tuple[dict[str, Any], Process]] = field(default_factory=list)
    pm2: dict[str, str] | None = None

    def add(self, *children: Child) -> None:
        """What a worker has started counts as its own."""
        self.found = [(record, process.with_children(children)) for record, process in self.found]


class Sampler:
    """The workers of one host. The channel is opened by the first question, and again after a loss, with more and more time
    in between; who asks does not wait for a host that has failed twice."""

    def __init__(self, reach: Reach, layout: Layout, backoff: Backoff = BACKOFF) -> None:
        self._reach = reach
        self._layout = layout
        self._backoff = backoff
        self._reading: asyncio.Task[None] | None = None
        self._failures = 0
        self._due = 0.0
        self._reason: TargetError | None = None
        self._before: dict[int, tuple[float, float]] = {}
        self._workers: tuple[Worker, ...] = ()
        self._pm2: dict[str, str] = {}
        self._fresh = asyncio.Event()

    async def workers(self) -> tuple[Worker, ...]:
        """The newest sample. Raises TargetError when the host can't be reached."""
        if self._reading is None:
            if self._reason and time.monotonic() < self._due:
                raise self._reason
            self._fresh.clear()
            self._reading = asyncio.create_task(self._read())
        fresh = asyncio.ensure_future(self._fresh.wait())
        limit = LIMITS.answer if self._failures < PATIENT else 0
        try:
            await asyncio.wait([self._reading, fresh], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            fresh.cancel()
        if self._reading.done():
            raise self._failed(self._reading)
        if not self._fresh.is_set():
            self._failures += 1
            raise self._reason or TargetError(f"no sample from `{self._reach.host.address}` within {LIMITS.answer:.0f} s")
        self._failures, self._reason = 0, None
        return self._workers

    def _failed(self, reading: asyncio.Task[None]) -> BaseException:
        """Why there is nothing to read any more; the next try is not at once."""
        error = reading.exception() or TargetError(f"the sampler on `{self._reach.host.address}` has ended")
        self._reading = None
        if isinstance(error, TargetError):
            self._failures += 1
            self._reason = error
            self._due = time.monotonic() + self._backoff.wait(self._failures)
        return error

    def lost(self) -> Iterator[Worker]:
        """The workers that were seen last, now that nobody can say how they are."""
        return (replace(worker, state="down", pid=None, cpu_percent=None, memory_bytes=None) for worker in self._workers)

    async def close(self) -> None:
        """Ends the channel."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        link = await self._reach.link()
        user = await highest(link)
        given = {"run": self._layout.run, "pm2": self._layout.pm2 / "rpc.sock", "ask": _ASK.read_text()}
        words = [assign(name, value) for name, value in given.items()]
        text = "\n".join([*words, *(path.read_text() for path in _SCRIPTS)])
        async with aclosing(link.lines(text, user=user)) as lines:
            async for sample in samples(lines):
                self._workers = tuple(self._seen(sample))
                self._fresh.set()

    def _seen(self, sample: Sample) -> Iterator[Worker]:
        before, self._before = self._before, {}
        self._pm2 = self._pm2 if sample.pm2 is None else sample.pm2
        ranked = ((_rank(record, sample), str(record.get("name")), record, process) for record, process in sample.found)
        for _, _, record, process in sorted(filter(itemgetter(0), ranked), key=itemgetter(0, 1)):
            name, release = sanitize(str(record.get("name"))), sanitize(str(record.get("release")))
            if not process.alive:
                state: WorkerState = "crashed" if self._pm2.get(name) in _CRASHED else "down"
                yield Worker(name, self._reach.host.address, state, restarts=process.restarts, release=release)
                continue
            self._before[process.pid] = (sample.clock.up, process.cpu)
            cpu = _percent(before.get(process.pid), self._before[process.pid])
            numbers = (process.pid, cpu, process.memory, process.restarts, process.age, release)
            yield Worker(name, self._reach.host.address, "up", *numbers)


async def sampled(samplers: Sequence[Sampler]) -> list[Worker]:
    """The workers of several hosts. Raises TargetError when none of them can be reached, Refused when one is another."""
    found = await asyncio.gather(*(sampler.workers() for sampler in samplers), return_exceptions=True)
    none = all(isinstance(seen, BaseException) for seen in found)
    workers: list[Worker] = []
    for sampler, seen in zip(samplers, found, strict=True):
        if isinstance(seen, BaseException) and (none or isinstance(seen, Refused) or not isinstance(seen, TargetError)):
            raise seen
        workers += sampler.lost() if isinstance(seen, BaseException) else seen
    return workers


def _percent(before: tuple[float, float] | None, now: tuple[float, float]) -> float | None:
    """Percent of one core between two looks; None at the first."""
    if before is None or now[0] <= before[0]:
        return None
    return max(0.0, 100.0 * (now[1] - before[1]) / (now[0] - before[0]))


def _rank(record: dict[str, Any], sample: Sample) -> int:
    """1: a worker of the set that serves, 2: of the one that stays warm, 0: of neither."""
    name = str(record.get("name"))
    sets = enumerate((sample.live, sample.previous), start=1)
    return next((rank for rank, run_set in sets if run_set and f"-{run_set}-" in name), 0)


async def samples(lines: AsyncGenerator[bytes]) -> AsyncGenerator[Sample]:
    """The blocks of lines as samples."""
    block: list[str] = []
    async for line in lines:
        if line:
            block.append(line.decode("utf-8", "backslashreplace"))
        elif sample := read(block):
            block = []
            yield sample


def read(block: Iterable[str]) -> Sample | None:
    """One sample; None when it has no clocks."""
    sample: Sample | None = None
    record: dict[str, Any] = {}
    for line in block:
        word, _, rest = line.partition(" ")
        if word == "clock":
            now, up, ticks, page = rest.split()
            sample = Sample(Clock(float(now), float(up), float(ticks), int(page)))
        elif sample and word == "live":
            sample.live = rest
        elif sample and word == "previous":
            sample.previous = rest
        elif word == "record":
            record = _object(rest)
        elif sample and word == "stat" and (process := Process.read(record, rest, sample.clock)):
            sample.found.append((record, process))
        elif sample and word == "child":
            sample.add(*Child.read(rest, sample.clock))
        elif sample and word == "pm2":
            sample.pm2 = dict(_states(_object(rest)))
    return sample


def _states(said: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The state of each process that PM2 knows, by name."""
    with suppress(LookupError, TypeError):
        for process in said["args"][0]:
            yield str(process["name"]), str(process["pm2_env"]["status"])


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
