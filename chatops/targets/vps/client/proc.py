"""Processes as /proc tells of them (proc(5)), matched with the records that workers leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from chatops.frozen import frozen

CLOCK_SLACK = 5.0
"""Seconds between a process's start and its record; a process that started later than its record is another one."""


@frozen
class Clock:
    """The host's clock (epoch seconds), its uptime in seconds, and what it counts in: ticks a second, bytes a page."""

    now: float
    up: float
    ticks: float
    page: int


@frozen
class Child:
    """A process that process `of` has started, itself or through others."""

    of: int
    memory: int
    cpu: float

    @classmethod
    def read(cls, line: str, clock: Clock) -> Iterator[Child]:
        """From `PID STAT`; nothing where that is no such line."""
        of, _, stat = line.partition(" ")
        words = stat.rpartition(") ")[2].split()
        with suppress(IndexError, ValueError):
            yield cls(int(of), int(words[21]) * clock.page, _cpu(words, clock))


def _cpu(words: Sequence[str], clock: Clock) -> float:
    """Seconds, with those of children that have ended: what they used does not vanish with them."""
    return sum(map(float, words[11:15])) / clock.ticks


@frozen
class Process:
    """A worker's process. `memory` in bytes, `age` and `cpu` (user and system time so far) in seconds."""

    pid: int
    restarts: int
    alive: bool
    memory: int = 0
    age: float = 0.0
    cpu: float = 0.0

    @classmethod
    def read(cls, record: Mapping[str, Any], stat: str, clock: Clock) -> Process | None:
        """From a record and the line of /proc/PID/stat (empty: there is no such process); None when the record is not ours."""
        with suppress(KeyError, TypeError, ValueError):
            pid, restarts = int(record["pid"]), int(record.get("restarts") or 0)
            words = stat.rpartition(") ")[2].split()
            if len(words) < 22 or words[0] in {"Z", "X"}:
                return cls(pid, restarts, alive=False)
            age = clock.up - float(words[19]) / clock.ticks
            if clock.now - age > float(record["started"]) + CLOCK_SLACK:
                return cls(pid, restarts, alive=False)
            return cls(pid, restarts, True, int(words[21]) * clock.page, age, _cpu(words, clock))
        return None

    def with_children(self, children: Iterable[Child]) -> Process:
        """The same, with what it has started, and these in turn."""
        mine = [child for child in children if child.of == self.pid and self.alive]
        memory, cpu = (sum(values) for values in zip((0, 0.0), *((one.memory, one.cpu) for one in mine), strict=True))
        return replace(self, memory=self.memory + memory, cpu=self.cpu + cpu)
