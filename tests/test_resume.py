"""A stream that is cut goes on where it was: no gap, no repeat, and both told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops.errors import ConfigError, TargetError
from chatops.events import Notice
from chatops.resume import REMEMBERED, Backoff, Seen, resume

QUICK = Backoff(base=0.0, cap=0.0)
Value = tuple[float, str]


class Source:
    """A log of (time, text) that is cut after `cuts` values and can be read again from a time on."""

    def __init__(self, values: list[Value], cuts: list[int], error: Exception | None = None) -> None:
        self.values = values
        self.cuts = cuts
        self.error = error or TargetError("reset by peer")
        self.opened: list[float | None] = []

    async def start(self, position: float | None) -> AsyncGenerator[Value]:
        self.opened.append(position)
        left = self.cuts.pop(0) if self.cuts else -1
        for value in self.values:
            if position is not None and value[0] < position:
                continue
            if left == 0:
                raise self.error
            left -= 1
            yield value


def told(start: Callable[[float | None], AsyncGenerator[Value | Notice]], **more: Any) -> list[Value | Notice]:
    """Everything a resumed stream gives."""

    async def consume() -> list[Value | Notice]:
        stream = resume(start, lambda value: value[0], lambda value: value[1], **{"backoff": QUICK, "target": "fake", **more})
        async with aclosing(stream) as values:
            return [value async for value in values]

    return asyncio.run(consume())


def values(items: list[Value | Notice]) -> list[Value]:
    return [item for item in items if isinstance(item, tuple)]


def notices(items: list[Value | Notice]) -> list[str]:
    return [item.message for item in items if isinstance(item, Notice)]


def test_without_a_cut_it_is_the_stream_itself():
    assert told(Source([(1, "a"), (2, "b")], []).start) == [(1, "a"), (2, "b")]


def test_after_a_cut_nothing_is_missing_and_nothing_comes_twice():
    source = Source([(1, "a"), (1, "a"), (2, "b"), (2.5, "c"), (3, "d")], [3, 1, 4])
    assert values(told(source.start)) == source.values
    assert source.opened[0] is None
    assert source.opened[1] == 1


def test_lines_of_a_clock_that_is_seconds_late_are_not_lost_in_a_cut():
    source = Source([(10, "a"), (10.1, "a"), (4, "b"), (4.1, "b")], [3, 4])
    assert values(told(source.start)) == source.values


def test_a_cut_and_the_return_are_told():
    said = notices(told(Source([(1, "a"), (2, "b")], [1]).start))
    assert said[0] == "stream of `fake` lost (reset by peer); trying again"
    assert said[1].startswith("stream of `fake` is back after ")
    assert said[1].endswith("nothing missing")


def test_one_notice_a_cut_however_many_tries_it_takes():
    assert len(notices(told(Source([(1, "a"), (2, "b")], [1, 0, 0, 0]).start))) == 2


def test_lines_that_may_be_missing_are_told():
    source = Source([(1, "a"), (2, "b")], [1])

    async def forgetful(position: float | None) -> AsyncGenerator[Value]:
        async with aclosing(source.start(position if position is None else 2)) as stream:
            async for value in stream:
                yield value

    assert notices(told(forgetful))[1].endswith("may be missing")


def test_a_stream_that_says_how_it_goes_on_is_believed():
    """Nothing that it gives is a repeat, whatever it looks like; the return is told before anything else comes."""
    source = Source([(1, "tick"), (1, "tick"), (1, "tick")], [1])

    async def exact(position: float | None) -> AsyncGenerator[Value | Notice]:
        if position is not None:
            yield Notice(time=0, level="warning", message="two may be missing")
        async with aclosing(source.start(position)) as stream:
            async for value in stream:
                yield value

    found = told(exact)
    assert values(found) == [(1, "tick")] * 4
    assert notices(found)[1].endswith("two may be missing")
    assert isinstance(found[2], Notice)


def test_broken_links_are_resumed_like_refusals():
    source = Source([(1, "a"), (2, "b")], [1], ConnectionResetError("104"))
    assert values(told(source.start)) == source.values


def test_a_bug_or_a_wrong_command_line_is_not_tried_again():
    with pytest.raises(ConfigError):
        told(Source([(1, "a")], [0], ConfigError("no such worker")).start)


def test_an_impatient_consumer_learns_of_the_first_failure():
    with pytest.raises(TargetError, match="reset by peer"):
        told(Source([(1, "a")], [0]).start, patient=False)


def test_an_impatient_consumer_still_gets_over_a_cut_later_on():
    source = Source([(1, "a"), (2, "b")], [1, 0, 0])
    assert values(told(source.start, patient=False)) == source.values


def test_a_patient_consumer_waits_for_a_target_that_is_down():
    source = Source([(1, "a")], [0, 0, 0])
    assert values(told(source.start)) == source.values


def test_the_first_retry_is_immediate_and_the_others_are_under_a_doubling_cap():
    backoff = Backoff(base=0.5, cap=4)
    assert backoff.wait(1) == 0
    for failures, cap in ((2, 2), (3, 4), (10, 4), (10_000, 4)):
        assert all(0 <= backoff.wait(failures) <= cap for _ in range(50))


def test_a_flood_with_one_time_is_remembered_by_its_number():
    flood = [(1.0, str(number % 7)) for number in range(REMEMBERED + 3000)]
    source = Source([*flood, (2.0, "after")], [REMEMBERED + 2000])
    assert values(told(source.start)) == source.values


def test_memory_stays_bounded():
    seen: Seen[Value] = Seen(lambda value: value[0], lambda value: value[1])
    for number in range(3 * REMEMBERED):
        seen.fresh((number / 1e6, "x"))
    assert len(seen._recent) == REMEMBERED


@given(
    st.lists(st.tuples(st.integers(0, 6).map(lambda n: n / 2), st.sampled_from("ab")), max_size=30).map(sorted),
    st.lists(st.integers(0, 8), max_size=6),
)
def test_whatever_is_cut_wherever_nothing_is_lost_or_doubled(written: list[Value], cuts: list[int]):
    assert values(told(Source(written, cuts).start)) == written


@given(st.lists(st.floats(0, 100)))
def test_lines_that_come_late_pass(moments: list[float]):
    written = [(moment, str(number)) for number, moment in enumerate(moments)]
    assert values(told(Source(written, []).start)) == written


def test_thousands_of_lines_older_than_the_newest_pass():
    written = [(100.0, "newest"), *((number / 1000, "old") for number in range(2 * REMEMBERED))]
    assert values(told(Source(written, []).start)) == written
