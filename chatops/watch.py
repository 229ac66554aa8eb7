"""One target's whole life as one stream of events: its log lines, looks at its health, its workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from chatops.errors import TargetError
from chatops.events import HealthSample, LogLine, Notice, WorkerSample
from chatops.frozen import frozen
from chatops.limits import LIMITS
from chatops.resume import resume
from chatops.streams import every, merge
from chatops.targets.base import Target

Live = LogLine | HealthSample | WorkerSample | Notice
"""What watching can show."""
Probe = Callable[[], Awaitable[HealthSample]]
"""One look at the app's health; it never raises (`health.sample` with its client and address bound)."""
S = TypeVar("S", HealthSample, WorkerSample)


@frozen
class Cadence:
    """How often to look, in seconds."""

    health: float = 5.0
    workers: float = 1.0


CADENCE = Cadence()


def watch(
    target: Target[Any], probe: Probe | None = None, *, tail: int = 100, since: float | None = None, cadence: Cadence = CADENCE
) -> AsyncGenerator[Live]:
    """Everything that can be seen of `target`, in order of arrival, until the consumer stops (close it: `aclosing`).

    Never raises TargetError or OSError: what can't be reached is said once in a Notice and tried again.
    """
    sources: list[AsyncIterator[Live]] = [follow(target, tail, since)]
    sources.append(_steady(target, partial(_workers, target), cadence.workers))
    if probe is not None:
        sources.append(_steady(target, probe, cadence.health))
    return merge(*sources)


def follow(target: Target[Any], tail: int, since: float | None, *, patient: bool = True) -> AsyncGenerator[LogLine | Notice]:
    """Backlog, then live lines, with no gap and no repeat over lost links. Not `patient`: a first failure is raised."""

    def start(position: float | None) -> AsyncIterator[LogLine | Notice]:
        return target.logs(tail, True, since) if position is None else target.logs(0, True, position)

    return resume(start, _moment, _identity, target=target.name, patient=patient)


def _moment(line: LogLine) -> float:
    return line.time


def _identity(line: LogLine) -> tuple[str, ...]:
    """What makes two lines the same one when a stream is read again."""
    return (line.host, line.worker, line.source, line.stream, line.message, repr(line.fields))


async def _workers(target: Target[Any]) -> WorkerSample:
    async with asyncio.timeout(LIMITS.connect):
        workers = await target.workers()
    return WorkerSample(time=time.time(), target=target.name, workers=tuple(workers))


async def _steady(target: Target[Any], look: Callable[[], Awaitable[S]], seconds: float) -> AsyncGenerator[S | Notice]:
    """What `look` sees, every so often; that it fails is said once, until it works again."""
    failing = False
    async for seen in every(seconds, partial(_look, target, look)):
        if not (failing and isinstance(seen, Notice)):
            yield seen
        failing = isinstance(seen, Notice)


async def _look(target: Target[Any], look: Callable[[], Awaitable[S]]) -> S | Notice:
    try:
        return await look()
    except (TargetError, OSError) as error:
        reason = str(error) or type(error).__name__
        return Notice(time=time.time(), target=target.name, level="warning", message=f"can't look at `{target.name}`: {reason}")
