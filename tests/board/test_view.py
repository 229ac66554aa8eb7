"""The view is what a plain list comprehension over the ring would be, however entries come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatops.board.lines import Entry, Ring
from chatops.board.view import View
from chatops.events import LogLine


def keeps(entry: Entry) -> bool:
    """Every line but those with an x."""
    return "x" not in entry.message


def height(entry: Entry) -> int:
    """As many rows as characters, at least one."""
    return max(1, len(entry.message))


def rows_of(ring: Ring) -> list[tuple[int, int]]:
    """The rows there must be: number of the entry, row within it."""
    return [(number, part) for number, entry in ring.since(0) if keeps(entry) for part in range(height(entry))]


@given(st.integers(1, 12), st.lists(st.lists(st.text("axb", max_size=4), max_size=9), max_size=12))
def test_rows_are_those_of_the_kept_entries(capacity: int, batches: list[list[str]]) -> None:
    ring = Ring(lines=capacity)
    view = View(ring, keeps, height)
    for batch in batches:
        for message in batch:
            ring.push(LogLine(time=0.0, target="t", message=message))
        view.update()
        assert [view.at(row) for row in range(view.first_row, view.end_row)] == rows_of(ring)
        assert view.at(view.end_row) is None and view.at(view.first_row - 1) is None


@given(st.lists(st.text("axb", max_size=3), min_size=1, max_size=30), st.data())
def test_finding_goes_to_the_nearest_on_either_side(messages: list[str], data: st.DataObject) -> None:
    ring = Ring(lines=20)
    view = View(ring, keeps)
    for message in messages:
        ring.push(LogLine(time=0.0, target="t", message=message))
    view.update()
    start = data.draw(st.integers(ring.first - 2, ring.end + 2))
    hits = [number for number, entry in ring.since(0) if keeps(entry) and "b" in entry.message]
    assert view.find(lambda entry: "b" in entry.message, start, 1) == min((hit for hit in hits if hit > start), default=None)
    assert view.find(lambda entry: "b" in entry.message, start, -1) == max((hit for hit in hits if hit < start), default=None)
    assert view.count_from(start) == sum(keeps(entry) for _, entry in ring.since(max(0, start)))


def test_a_long_ring_is_taken_in_slices() -> None:
    ring = Ring(lines=1000)
    for number in range(1000):
        ring.push(LogLine(time=0.0, target="t", message=str(number)))
    view = View(ring)
    view.update(limit=300)
    assert (len(view), view.behind) == (300, 700)
    while view.behind:
        view.update(limit=300)
    assert view.row_of(999) == 999
