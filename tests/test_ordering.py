"""Putting values of several sources in order without waiting for the silent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatops.ordering import MOST, TimeOrder


def order_of(*sources: str, window: float = 1.0) -> TimeOrder[tuple[float, str]]:
    """An order over (time, text) values with these sources open."""
    order: TimeOrder[tuple[float, str]] = TimeOrder(lambda item: item[0], window)
    for source in sources:
        order.open(source)
    return order


def test_the_only_source_is_never_held():
    order = order_of("a")
    order.add("a", (5, "x"), now=0)
    assert list(order.ready(0)) == [(5, "x")]


def test_a_value_waits_for_a_silent_source_until_the_window_is_over():
    order = order_of("a", "b", window=1)
    order.add("a", (5, "x"), now=0)
    assert list(order.ready(0.9)) == []
    assert order.due(0.75) == 0.25
    assert list(order.ready(1.0)) == [(5, "x")]


def test_an_older_value_that_comes_within_the_window_goes_first():
    order = order_of("a", "b")
    order.add("a", (5, "x"), now=0)
    order.add("b", (4, "y"), now=0.5)
    assert list(order.ready(0.5)) == [(4, "y")]  # and then `b` is silent again
    assert list(order.ready(1.0)) == [(5, "x")]


def test_a_source_that_ended_is_not_waited_for():
    order = order_of("a", "b")
    order.add("a", (5, "x"), now=0)
    order.end("b")
    assert list(order.ready(0)) == [(5, "x")]


def test_what_an_ended_source_said_is_kept():
    order = order_of("a", "b")
    order.add("b", (1, "last words"), now=0)
    order.add("b", (9, "very last words"), now=0)
    order.end("b")
    order.add("a", (5, "x"), now=0)
    order.end("a")
    assert [text for _, text in order.ready(0)] == ["last words", "x", "very last words"]


def test_a_clock_that_is_an_hour_late_starves_nobody():
    order = order_of("a", "b", "c")
    order.add("a", (3600, "x"), now=0)
    for tenth in range(20):
        order.add("b", (tenth, "late"), now=tenth / 10)
    assert (3600, "x") in list(order.ready(1.0))


def test_more_than_the_most_is_not_held():
    order = order_of("a", "b", window=60)
    for number in range(MOST + 100):
        order.add("a", (number, ""), now=0)
    assert len(list(order.ready(0))) == 100


@given(st.lists(st.lists(st.integers(0, 50).map(float), max_size=20).map(sorted), min_size=1, max_size=5))
def test_sorted_sources_that_end_come_out_sorted_and_whole(sources: list[list[float]]):
    order = order_of(*map(str, range(len(sources))))
    for name, times in enumerate(sources):
        for moment in times:
            order.add(str(name), (moment, str(name)), now=0)
    for name in range(len(sources)):
        order.end(str(name))
    out = list(order.ready(0))
    assert [moment for moment, _ in out] == sorted(moment for times in sources for moment in times)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=60))
def test_what_one_source_says_is_never_turned_round(said: list[tuple[str, float]]):
    order = order_of(*"abc")
    for number, (source, moment) in enumerate(said):
        order.add(source, (moment, f"{source}{number}"), now=number)
    out = [text for _, text in order.ready(1e9)]
    for source in "abc":
        own = [text for text in out if text[0] == source]
        assert own == [f"{name}{number}" for number, (name, _) in enumerate(said) if name == source]
