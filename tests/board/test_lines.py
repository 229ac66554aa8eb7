"""The ring of lines: bounded in number and bytes, numbered for ever."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops.board.lines import Ring, compact
from chatops.events import LogLine


def said(message: str) -> LogLine:
    """A line with this message."""
    return LogLine(time=1.0, target="local", message=message)


@given(st.integers(1, 20), st.lists(st.text(max_size=30), max_size=80))
def test_keeps_the_newest_under_their_numbers(capacity: int, messages: list[str]) -> None:
    ring = Ring(lines=capacity)
    for message in messages:
        ring.push(said(message))
    expected = list(enumerate(messages))[-capacity:]
    assert [(number, entry.message) for number, entry in ring.since(0)] == expected
    assert (ring.end, len(ring)) == (len(messages), len(expected))


def test_a_number_that_left_is_an_index_error() -> None:
    ring = Ring(lines=2)
    for message in "abc":
        ring.push(said(message))
    assert ring[1].message == "b"
    for number in (0, 3, -1):
        with pytest.raises(IndexError):
            ring[number]


def test_long_lines_cannot_fill_the_memory() -> None:
    line = "x" * 64_000
    ring = Ring(lines=100_000, text_bytes=10 * sys.getsizeof(line))
    for _ in range(50):
        ring.push(said(line))
    assert len(ring) == 10
    ring.push(said("short"))
    assert ring[ring.end - 1].message == "short"


def test_kept_lines_show_their_fields_and_share_names() -> None:
    fields = {"room": "lobby", "status": 200}
    kept = [compact(LogLine(time=1.0, target="t", worker="w-" + str(7), message="a\tb", fields=fields)) for _ in range(2)]
    assert kept[0].message == "a   b room=lobby status=200"
    assert kept[0].worker is kept[1].worker
    assert not kept[0].fields
