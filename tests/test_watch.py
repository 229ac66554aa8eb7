"""One target watched: lines, health and workers in one stream that outlives what fails."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from chatops.errors import TargetError
from chatops.events import HealthSample, LogLine, Notice, WorkerSample
from chatops.model import Worker
from chatops.watch import Cadence, Live, follow, watch
from tests.fakes import FakeTarget, line

QUICK = Cadence(health=0.02, workers=0.02)
CREW = [Worker("chat-1", "", "up"), Worker("chat-2", "", "up")]


async def probe() -> HealthSample:
    """A look at an app that is well."""
    return HealthSample(time=time.time(), target="fake", ok=True, status=200, latency_ms=1.0)


def seen(target: FakeTarget, most: int, **more: object) -> list[Live]:
    """The first events of a watch."""

    async def consume() -> list[Live]:
        events: list[Live] = []
        async with asyncio.timeout(10), aclosing(watch(target, cadence=QUICK, **more)) as stream:  # type: ignore[arg-type]
            async for event in stream:
                events.append(event)
                if len(events) == most:
                    break
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return events

    return asyncio.run(consume())


def test_everything_comes_in_one_stream():
    target = FakeTarget(history=[line(1, "a"), line(2, "b")], crew=[*CREW])
    events = seen(target, 12, probe=probe)
    assert [event.message for event in events if isinstance(event, LogLine)] == ["a", "b"]
    assert sum(isinstance(event, HealthSample) for event in events) >= 2
    assert next(event.workers for event in events if isinstance(event, WorkerSample)) == tuple(CREW)


def test_without_a_probe_there_is_no_health():
    assert not any(isinstance(event, HealthSample) for event in seen(FakeTarget(crew=[*CREW]), 5))


def test_the_backlog_is_as_long_as_asked():
    target = FakeTarget(history=[line(number, str(number)) for number in range(10)])
    events = seen(target, 4, tail=2)
    assert [event.message for event in events if isinstance(event, LogLine)] == ["8", "9"]


def test_workers_that_cant_be_looked_at_are_said_once_until_they_can():
    target = FakeTarget(crew=[TargetError("no route"), TargetError("no route"), TargetError("no route"), *CREW])
    events = seen(target, 3)
    assert [type(event) for event in events] == [Notice, WorkerSample, WorkerSample]
    assert events[0] == Notice(time=events[0].time, target="fake", level="warning", message="can't look at `fake`: no route")


def test_a_target_that_is_down_at_first_is_tried_again():
    target = FakeTarget(live=[TargetError("refused"), line(1, "up at last")])
    events = seen(target, 40)
    assert [event.message for event in events if isinstance(event, LogLine | Notice)][:3] == [
        "stream of `fake` not reached (refused); trying again",
        "stream of `fake` is back after 0.0 s, nothing missing",
        "up at last",
    ]


def test_a_cut_log_goes_on_without_gap_or_repeat():
    said = [line(number, f"line {number % 3}") for number in range(20)]
    live: list[LogLine | float | Exception] = [*said]
    for place in (15, 9, 4):
        live.insert(place, TargetError("cut"))
    target = FakeTarget(live=live)

    async def consume() -> list[LogLine | Notice]:
        async with aclosing(follow(target, 10, None)) as stream:
            return [event async for event in stream]

    events = asyncio.run(consume())
    assert [event for event in events if isinstance(event, LogLine)] == said
    assert sum(isinstance(event, Notice) for event in events) == 6


def test_a_first_failure_is_raised_to_the_impatient():
    async def consume() -> None:
        async with aclosing(follow(FakeTarget(live=[TargetError("refused")]), 10, None, patient=False)) as stream:
            await anext(stream)

    with pytest.raises(TargetError, match="refused"):
        asyncio.run(consume())
