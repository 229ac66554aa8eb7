"""Streams: order, back-pressure, errors in their place, and nothing left running when a consumer stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import count
from queue import SimpleQueue
from typing import Any

import pytest

from chatops.errors import TargetError
from chatops.streams import QUOTA, every, from_thread, in_order, merge


async def told(*items: Any) -> AsyncGenerator[Any]:
    """Gives items; a number of seconds in a tuple waits, an exception is raised."""
    for item in items:
        if isinstance(item, Exception):
            raise item
        if isinstance(item, tuple):
            await asyncio.sleep(item[0])
        else:
            yield item


async def gathered(stream: AsyncGenerator[Any], most: int = 10_000) -> list[Any]:
    """Everything a stream gives, up to `most`."""
    items: list[Any] = []
    async with aclosing(stream) as source:
        async for item in source:
            items.append(item)
            if len(items) == most:
                break
    return items


def others_running() -> set[asyncio.Task[object]]:
    """What still runs beside the test."""
    return asyncio.all_tasks() - {asyncio.current_task()}


# ---------------------------------------------------------------- from_thread


class Endless:
    """A blocking read that only `close` ends."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[int | None] = SimpleQueue()
        self.closed = 0
        self.ended = threading.Event()

    def __iter__(self) -> Iterator[int]:
        try:
            while (item := self.queue.get()) is not None:
                yield item
        finally:
            self.ended.set()

    def close(self) -> None:
        self.closed += 1
        self.queue.put(None)


def test_a_blocking_read_gives_everything_in_order():
    assert asyncio.run(gathered(from_thread(range(5000), lambda: None, quota=7))) == list(range(5000))


def test_values_pass_while_the_read_still_blocks():
    read = Endless()
    for number in (1, 2):
        read.queue.put(number)
    assert asyncio.run(gathered(from_thread(read, read.close), most=2)) == [1, 2]


def test_closing_the_stream_ends_the_blocked_thread():
    read = Endless()
    read.queue.put(1)
    asyncio.run(gathered(from_thread(read, read.close), most=1))
    assert read.ended.wait(5)
    assert read.closed == 1


def test_cancelling_the_consumer_ends_the_blocked_thread():
    read = Endless()

    async def cancelled() -> None:
        async with asyncio.timeout(0.05):
            await gathered(from_thread(read, read.close))

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert read.ended.wait(5)


def test_a_thread_reads_no_further_than_its_quota_ahead():
    taken = count()
    reached: list[int] = []

    def read() -> Iterator[int]:
        for number in taken:
            reached.append(number)
            yield number

    async def slow() -> None:
        async with aclosing(from_thread(read(), lambda: None, quota=10)) as stream:
            await anext(stream)
            await asyncio.sleep(0.05)
            assert max(reached) <= 21  # taken by the first read, waiting, and the one in the thread's hand

    asyncio.run(slow())


def test_an_error_of_the_thread_comes_after_what_came_before_it():
    def read() -> Iterator[int]:
        yield 1
        raise TargetError("reset by peer")

    async def consumed() -> list[Any]:
        items: list[Any] = []
        with pytest.raises(TargetError, match="reset by peer"):
            async for item in from_thread(read(), lambda: None):
                items.append(item)
        return items

    assert asyncio.run(consumed()) == [1]


# ---------------------------------------------------------------- merge


def test_merging_nothing_ends():
    assert asyncio.run(gathered(merge())) == []


def test_values_come_in_order_of_arrival():
    merged = merge(told("a", (0.05,), "c"), told((0.02,), "b", (0.06,), "d"))
    assert asyncio.run(gathered(merged)) == ["a", "b", "c", "d"]


def test_a_silent_source_holds_nobody_up():
    merged = merge(told((60.0,), "late"), told(*range(100)))
    assert asyncio.run(gathered(merged, most=100)) == list(range(100))


def test_a_flood_does_not_drown_another_source():
    async def flood() -> AsyncGenerator[Any]:
        for number in count():
            yield number

    items = asyncio.run(gathered(merge(flood(), told("quiet")), most=QUOTA + 1))
    assert "quiet" in items


def test_a_source_that_is_ahead_is_held():
    given = count()

    async def flood() -> AsyncGenerator[Any]:
        for number in given:
            yield number

    async def slow() -> int:
        async with aclosing(merge(flood())) as stream:
            await anext(stream)
            await asyncio.sleep(0.02)
        return next(given)

    assert asyncio.run(slow()) <= 2 * QUOTA + 1


def test_an_error_comes_after_the_values_before_it_though_others_go_on():
    async def consumed() -> list[Any]:
        items: list[Any] = []
        with pytest.raises(TargetError, match="gone"):
            async with aclosing(merge(told("a", TargetError("gone")), told((60.0,)))) as stream:
                async for item in stream:
                    items.append(item)
        return items

    assert asyncio.run(consumed()) == ["a"]


def test_stopping_early_closes_every_source_and_leaves_nothing_running():
    closed: list[str] = []

    async def source(name: str, seconds: float) -> AsyncGenerator[Any]:
        try:
            while True:
                yield name
                await asyncio.sleep(seconds)
        finally:
            await asyncio.sleep(0)
            closed.append(name)

    async def stopped() -> None:
        await gathered(merge(source("fast", 0.0), source("slow", 60.0)), most=50)
        assert not others_running()

    asyncio.run(stopped())
    assert sorted(closed) == ["fast", "slow"]


def test_cancelling_a_merge_leaves_nothing_running():
    async def cancelled() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await gathered(merge(told((60.0,)), told((60.0,))))
        assert not others_running()

    asyncio.run(cancelled())


# ---------------------------------------------------------------- in order of time


def test_live_streams_come_in_the_order_of_their_times():
    ordered = in_order(told(1, 4, (0.05,), 7), told((0.02,), 2, 3, (0.01,), 9), when=float, window=0.2)
    assert asyncio.run(gathered(ordered)) == [1, 2, 3, 4, 7, 9]


def test_a_silent_source_delays_others_for_the_window_only():
    async def timed() -> float:
        loop = asyncio.get_running_loop()
        async with aclosing(in_order(told(1, (0.1,), 2, (60.0,)), told(0, (60.0,)), when=float, window=0.05)) as stream:
            assert [await anext(stream), await anext(stream)] == [0, 1]
            begun = loop.time()
            assert await anext(stream) == 2
            return loop.time() - begun

    assert asyncio.run(timed()) < 5


def test_a_backlog_on_its_way_is_waited_for_longer_than_the_window():
    ordered = in_order(told(5, 6), told((0.2,), 1, 2), when=float, window=0.01)
    assert asyncio.run(gathered(ordered)) == [1, 2, 5, 6]


# ---------------------------------------------------------------- every


def test_looks_are_taken_at_once_and_then_on_the_beat():
    numbers = count()

    async def look() -> int:
        return next(numbers)

    async def timed() -> tuple[list[Any], float]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        return await gathered(every(0.02, look), most=4), loop.time() - begun

    items, seconds = asyncio.run(timed())
    assert items == [0, 1, 2, 3]
    assert seconds >= 0.059


def test_slow_looks_never_overlap_and_missed_beats_are_left_out():
    running = 0

    async def look() -> int:
        nonlocal running
        running += 1
        await asyncio.sleep(0.03)
        running -= 1
        return running

    assert asyncio.run(gathered(every(0.01, look), most=3)) == [0, 0, 0]
