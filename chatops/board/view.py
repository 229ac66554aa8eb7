"""The entries of the ring that pass a filter, laid out as rows: rows keep their numbers while old ones leave."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from itertools import islice

from chatops.board.lines import Entry, Ring

SLICE = 25_000
"""So many entries are looked at in one go; more would hold the screen up."""

Keep = Callable[[Entry], bool]
Height = Callable[[Entry], int]


def everything(entry: Entry) -> bool:
    """The filter that keeps all."""
    return True


def one_row(entry: Entry) -> int:
    """The height of an entry that is not wrapped."""
    return 1


class View:
    """`first_row` .. `end_row` are the rows there are; each belongs to an entry of the ring."""

    def __init__(self, ring: Ring, keep: Keep = everything, height: Height = one_row) -> None:
        self._ring = ring
        self._keep = keep
        self._height = height
        self._numbers = array("q")
        self._starts = array("q")
        self._head = 0
        self._next = ring.first
        self.end_row = 0

    def __len__(self) -> int:
        return len(self._numbers) - self._head

    @property
    def first_row(self) -> int:
        """The oldest row still here."""
        return self._starts[self._head] if len(self) else self.end_row

    @property
    def behind(self) -> int:
        """How many entries of the ring have not been looked at."""
        return self._ring.end - max(self._next, self._ring.first)

    def update(self, limit: int = SLICE) -> None:
        """Lets go of entries that left the ring and takes up to `limit` new ones in."""
        self._forget()
        keep, height, row = self._keep, self._height, self.end_row
        first = max(self._next, self._ring.first)
        for number, entry in islice(self._ring.since(first), limit):
            if keep(entry):
                self._numbers.append(number)
                self._starts.append(row)
                row += height(entry)
        self.end_row = row
        self._next = min(first + limit, self._ring.end)

    def _forget(self) -> None:
        while self._head < len(self._numbers) and self._numbers[self._head] < self._ring.first:
            self._head += 1
        if self._head > SLICE:
            del self._numbers[: self._head]
            del self._starts[: self._head]
            self._head = 0

    def at(self, row: int) -> tuple[int, int] | None:
        """The entry a row belongs to, and which of its rows it is."""
        if not self.first_row <= row < self.end_row:
            return None
        index = bisect_right(self._starts, row, lo=self._head) - 1
        return self._numbers[index], row - self._starts[index]

    def row_of(self, number: int) -> int | None:
        """The first row of an entry, or of the next one where the filter hides it; None when there is none."""
        index = bisect_right(self._numbers, number - 1, lo=self._head)
        return self._starts[index] if index < len(self._numbers) else None

    def count_from(self, number: int) -> int:
        """How many entries there are from number `number` on."""
        return len(self._numbers) - bisect_right(self._numbers, number - 1, lo=self._head)

    def find(self, wanted: Keep, start: int, step: int) -> int | None:
        """The nearest entry after (`step` 1) or before (-1) entry `start` that is wanted."""
        index = bisect_right(self._numbers, start if step > 0 else start - 1, lo=self._head)
        index -= step < 0
        while self._head <= index < len(self._numbers):
            number = self._numbers[index]
            if number >= self._ring.first and wanted(self._ring[number]):
                return number
            index += step
        return None
