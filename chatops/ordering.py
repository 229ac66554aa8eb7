"""Puts values of several sources in the order of their times, holding each back only for a moment."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
WINDOW = 0.25
"""How long a value is held for an older one of another source, in seconds."""
MOST = 5000
"""How many values are held at most; beyond, the oldest goes on at once."""


class TimeOrder(Generic[T]):
    """A k-way merge that does not wait for silent sources longer than `window` seconds.

    What one source says is never turned round; a value that comes later than the window follows what has gone already.
    `now` is any clock that only goes forward, in seconds.
    """

    def __init__(self, when: Callable[[T], float], window: float = WINDOW) -> None:
        self.window = window
        self._when = when
        self._queues: dict[Hashable, deque[tuple[float, T]]] = {}
        self._heads: list[tuple[float, int, Hashable]] = []
        self._silent: set[Hashable] = set()
        self._open: set[Hashable] = set()
        self._added = self._held = 0

    def open(self, source: Hashable) -> None:
        """From now on `source` is waited for."""
        self._open.add(source)
        if not self._queues.setdefault(source, deque()):
            self._silent.add(source)

    def end(self, source: Hashable) -> None:
        """`source` says no more and is not waited for."""
        self._open.discard(source)
        self._silent.discard(source)

    def add(self, source: Hashable, item: T, now: float) -> None:
        """`source`, an open one, said `item`."""
        queue = self._queues[source]
        queue.append((now, item))
        self._held += 1
        if len(queue) == 1:
            self._silent.discard(source)
            heapq.heappush(self._heads, self._head(source, item))

    def ready(self, now: float) -> Iterator[T]:
        """What may go on at `now`: while no open source is silent, or a value is overdue, or too many are held."""
        heads = self._heads
        while heads and (not self._silent or self._held > MOST or self.due(now) == 0.0):
            source = heads[0][2]
            queue = self._queues[source]
            item = queue.popleft()[1]
            self._held -= 1
            if queue:
                heapq.heapreplace(heads, self._head(source, queue[0][1]))
            else:
                self._empty(source)
            yield item

    def _empty(self, source: Hashable) -> None:
        heapq.heappop(self._heads)
        if source in self._open:
            self._silent.add(source)
        else:
            del self._queues[source]

    def due(self, now: float) -> float | None:
        """Seconds until something held must go on; None when nothing is held."""
        if not self._heads:
            return None
        oldest = min(self._queues[source][0][0] for _, _, source in self._heads)
        return max(0.0, oldest + self.window - now)

    def _head(self, source: Hashable, item: T) -> tuple[float, int, Hashable]:
        self._added += 1
        return (self._when(item), self._added, source)
