"""The ring of log lines and marks: bounded in number and in bytes, numbered for ever."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from chatops.events import Level, LogLine
from chatops.frozen import frozen
from chatops.loglines import shown

LINES = 100_000
TEXT_BYTES = 32 * 1024 * 1024
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")
"""From the least to the most severe."""
Kind = Literal["release", "step", "notice", "finished", "user"]


@frozen(kw_only=True)
class Mark:
    """Something that happened between the log lines: a release, a step, a notice, the user's own mark."""

    time: float
    kind: Kind
    message: str
    target: str = ""
    level: Level = "info"


Entry = LogLine | Mark


class Ring:
    """The newest entries. Numbers are absolute: an entry keeps its own while others come and go.

    `first` is the oldest number still here, `end` the number the next entry will get.
    """

    def __init__(self, lines: int = LINES, text_bytes: int = TEXT_BYTES) -> None:
        self.first = 0
        self.end = 0
        self._capacity = lines
        self._budget = text_bytes
        self._held = 0
        self._slots: list[Entry | None] = []

    def __len__(self) -> int:
        return self.end - self.first

    def __getitem__(self, number: int) -> Entry:
        entry = self._slots[number % self._capacity] if self.first <= number < self.end else None
        if entry is None:
            raise IndexError(number)
        return entry

    def push(self, entry: Entry) -> None:
        """Takes an entry in; the oldest leave when the ring is full."""
        size = sys.getsizeof(entry.message)
        while self.first < self.end and (len(self) >= self._capacity or self._held + size > self._budget):
            self._drop_first()
        self._held += size
        slot = self.end % self._capacity
        if slot == len(self._slots):
            self._slots.append(entry)
        else:
            self._slots[slot] = entry
        self.end += 1

    def _drop_first(self) -> None:
        slot = self.first % self._capacity
        oldest = self._slots[slot]
        self._held -= sys.getsizeof(oldest.message) if oldest else 0
        self._slots[slot] = None
        self.first += 1

    def since(self, number: int) -> Iterator[tuple[int, Entry]]:
        """Entries from `number` on (or from the oldest still here), with their numbers."""
        for current in range(max(number, self.first), self.end):
            entry = self._slots[current % self._capacity]
            if entry is not None:
                yield current, entry


_NONE: Mapping[str, str] = MappingProxyType({})


def compact(line: LogLine) -> LogLine:
    """The line as it is kept: its fields as text behind the message, names shared between lines, tabs as spaces."""
    shared = sys.intern
    return LogLine(
        time=line.time,
        target=shared(line.target),
        message=shown(line).expandtabs(4),
        host=shared(line.host),
        worker=shared(line.worker),
        source=shared(line.source),
        stream=line.stream,
        level=line.level,
        fields=_NONE,
    )
