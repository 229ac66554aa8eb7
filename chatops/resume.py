"""A stream that outlives its link: opened again where it was, with no gap and no repeat."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from typing import Generic, TypeVar

from chatops.errors import TargetError
from chatops.events import Notice
from chatops.frozen import frozen
from chatops.limits import LIMITS
from chatops.streams import closing

T = TypeVar("T")
OVERLAP = 30.0
"""How far back a stream is read again after a cut, in seconds: workers buffer, and the clocks of hosts differ."""
REMEMBERED = 5000
"""How many values are remembered at most for telling repeats."""


@frozen
class Backoff:
    """Waits between tries, in seconds: none, then full jitter under a doubling `base` up to `cap`.

    A stream that lasted `steady` seconds starts over.
    """

    base: float = 0.5
    cap: float = 30.0
    steady: float = 10.0

    def wait(self, failures: int) -> float:
        """How long to wait after so many failures in a row."""
        return 0.0 if failures <= 1 else random.uniform(0.0, min(self.cap, self.base * 2.0 ** min(failures, 16)))  # noqa: S311


BACKOFF = Backoff()


class Seen(Generic[T]):
    """What went by lately: where to read again from, and which values are repeats then."""

    def __init__(self, when: Callable[[T], float], key: Callable[[T], Hashable]) -> None:
        self._when = when
        self._key = key
        self._recent: deque[T] = deque()
        self._newest = float("-inf")
        self._forgotten = (float("-inf"), 0)
        self._skip = 0
        self._edge: float | None = None
        self._repeats: Counter[Hashable] = Counter()

    @property
    def started(self) -> bool:
        """Whether anything was seen."""
        return bool(self._recent)

    @property
    def position(self) -> float | None:
        """The time to read again from (inclusive); None before anything was seen."""
        return max(self._forgotten[0], min(map(self._when, self._recent))) if self._recent else None

    def fresh(self, item: T) -> bool:
        """Whether `item` was not seen before; remembers it."""
        moment = self._when(item)
        if (self._skip or self._repeats) and moment <= self._newest and self._known(item, moment):
            return False
        if moment < self._newest - OVERLAP:
            return True  # reading again would not begin this far back
        self._recent.append(item)
        self._newest = max(self._newest, moment)
        while len(self._recent) > REMEMBERED or self._when(self._recent[0]) < self._newest - OVERLAP:
            self._forget(self._when(self._recent.popleft()))
        return True

    def rewind(self) -> None:
        """The stream is about to be read again from `position`."""
        edge = self.position
        self._edge = edge
        self._repeats = Counter(self._key(item) for item in self._recent if edge is not None and self._when(item) >= edge)
        self._skip = self._forgotten[1] if self._forgotten[0] == edge else 0

    def _forget(self, moment: float) -> None:
        """Keeps the newest time that is no longer remembered, and how many values had it."""
        newest, number = self._forgotten
        if moment >= newest:
            self._forgotten = (moment, number + 1 if moment == newest else 1)

    def _known(self, item: T, moment: float) -> bool:
        if self._skip and moment == self._edge:
            self._skip -= 1
            return True
        key = self._key(item)
        if self._repeats[key] > 0:
            self._repeats[key] -= 1
            return True
        return False


async def resume(
    start: Callable[[float | None], AsyncIterator[T | Notice]],
    when: Callable[[T], float],
    key: Callable[[T], Hashable],
    *,
    target: str = "",
    patient: bool = True,
    backoff: Backoff = BACKOFF,
) -> AsyncGenerator[T | Notice]:
    """`start(None)` opens the stream, `start(time)` opens it again from `time` on (inclusive).

    What was seen already is left out. Each cut is told by a Notice, and so is the return. A stream that begins with a Notice
    goes on by itself where it was, and says with it whether anything is missing. Not `patient`: a failure before anything was
    seen is raised (TargetError, OSError).
    """
    seen = Seen(when, key)
    failures = 0
    cut = 0.0
    while True:
        begun, position, exact = time.monotonic(), seen.position, False
        try:
            async with closing(start(position)) as source:
                async for item in source:
                    exact = exact or isinstance(item, Notice)
                    fresh = not isinstance(item, Notice) and (seen.fresh(item) or exact)
                    if cut:
                        said = item if isinstance(item, Notice) else goes_on(gap=fresh and position is not None)
                        yield _back(target, cut, said)
                        cut = 0.0
                    if fresh:
                        yield item
            return
        except (TargetError, OSError) as error:
            lasted = time.monotonic() - begun
            if not (patient or failures or seen.started or lasted > LIMITS.connect):
                raise
            failures = 1 if lasted > backoff.steady else failures + 1
            if not cut:
                cut = time.time()
                yield _lost(target, error, seen.started)
        seen.rewind()
        await asyncio.sleep(backoff.wait(failures))


def _lost(target: str, error: Exception, started: bool) -> Notice:
    reason = str(error) or type(error).__name__
    message = f"stream of `{target}` {'lost' if started else 'not reached'} ({reason}); trying again"
    return Notice(time=time.time(), target=target, level="warning", message=message)


def _back(target: str, cut: float, said: Notice) -> Notice:
    """The return, with what is `said` of the time between."""
    now = time.time()
    message = f"stream of `{target}` is back after {now - cut:.1f} s, {said.message}"
    return Notice(time=now, target=target, level=said.level, message=message)


def goes_on(gap: bool) -> Notice:
    """What a stream says that goes on after a cut."""
    if gap:
        return Notice(time=time.time(), level="warning", message="lines in between may be missing")
    return Notice(time=time.time(), message="nothing missing")
