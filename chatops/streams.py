"""Streams of values: from a blocking read, several as one, every so often. Threads and queues live in this file.

Every generator gives back its threads and running parts when it is closed: hold it in `contextlib.aclosing`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Generic, TypeVar

from chatops.ordering import WINDOW, TimeOrder

T = TypeVar("T")
QUOTA = 1000
"""How many values of one source may wait for the consumer before the source is held."""
START = 2.0
"""How long `in_order` waits for the first value of every source, in seconds."""


class _End:
    """What stands for no further value."""


_END: Final = _End()

# ---------------------------------------------------------------- a blocking read


class _Thread(Generic[T]):
    """A bounded queue from one daemon thread to the event loop, closable from both ends."""

    def __init__(self, read: Iterable[T], quota: int) -> None:
        self._read = read
        self._quota = quota
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._changed = threading.Condition()
        self._waiting: list[T] = []
        self._closed = self._ended = False
        self.error: Exception | None = None
        threading.Thread(target=self._run, name="chatops-stream", daemon=True).start()

    def _run(self) -> None:
        try:
            for item in self._read:
                if not self._put(item):
                    return
        except Exception as error:  # whatever it was, it belongs to the consumer
            self.error = error
        with self._changed:
            self._ended = True
        self._wake()

    def _put(self, item: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._quota)
            self._waiting.append(item)
            first = len(self._waiting) == 1
        if first:
            self._wake()
        return not self._closed

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is gone, and with it the consumer
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def take(self) -> tuple[list[T], bool]:
        """Waits, then gives all that has arrived and whether that was the end."""
        await self._arrived.wait()
        self._arrived.clear()
        with self._changed:
            taken, self._waiting = self._waiting, []
            self._changed.notify()
            return taken, self._ended

    def close(self) -> None:
        """Lets the thread end at its next value."""
        with self._changed:
            self._closed = True
            self._changed.notify()


async def from_thread(read: Iterable[T], close: Callable[[], object], quota: int = QUOTA) -> AsyncGenerator[T]:
    """What a blocking iterable gives, read on a daemon thread that waits while `quota` values are unread.

    `close` is called once, however it ends: it must make a blocked read return, and must not block itself.
    """
    thread = _Thread(read, quota)
    ended = False
    try:
        while not ended:
            items, ended = await thread.take()
            for item in items:
                yield item
        if thread.error is not None:
            raise thread.error
    finally:
        thread.close()
        close()


# ---------------------------------------------------------------- several as one


class _Pumps(Generic[T]):
    """Reads several async iterators at once into one buffer; a source that is `QUOTA` ahead of the consumer is held."""

    def __init__(self, sources: Sequence[AsyncIterator[T]]) -> None:
        self._sources = sources
        self._ahead = [0] * len(sources)
        self._buffer: list[tuple[int, T]] = []
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._errors: list[Exception] = []
        self._failed = False
        self.open = set(range(len(sources)))

    def ended(self) -> set[int]:
        """The numbers of the sources that say no more."""
        return set(range(len(self._sources))) - self.open

    async def __aenter__(self) -> _Pumps[T]:
        self._running = [asyncio.create_task(self._pump(*numbered)) for numbered in enumerate(self._sources)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    @property
    def going(self) -> bool:
        """Whether `take` has more to give or to raise."""
        return bool(self.open or self._buffer or self._errors)

    async def _pump(self, number: int, source: AsyncIterator[T]) -> None:
        try:
            async with closing(source):
                await self._read(number, source)
        except Exception as error:  # whatever it was, it is raised where the values are consumed
            self._errors.append(error)
        finally:
            self.open.discard(number)
            self._arrived.set()

    async def _read(self, number: int, source: AsyncIterator[T]) -> None:
        async for item in source:
            self._buffer.append((number, item))
            self._arrived.set()
            self._ahead[number] += 1
            if self._ahead[number] >= QUOTA:
                self._taken.clear()
                await self._taken.wait()

    async def take(self, seconds: float | None = None) -> list[tuple[int, T]]:
        """Waits (at most `seconds`), then gives all that has arrived. An error comes after what came before it."""
        if self._failed:
            raise self._errors[0]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        self._arrived.clear()
        self._failed = bool(self._errors)
        taken, self._buffer = self._buffer, []
        self._ahead = [0] * len(self._ahead)
        self._taken.set()
        return taken


@asynccontextmanager
async def closing(source: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """`source`, closed at the end of the block where it can be."""
    try:
        yield source
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


async def merge(*sources: AsyncIterator[T]) -> AsyncGenerator[T]:
    """Several streams as one, in order of arrival; ends with the last of them, or with the first error."""
    async with _Pumps(sources) as pumps:
        while pumps.going:
            for _, item in await pumps.take():
                yield item


async def in_order(*sources: AsyncIterator[T], when: Callable[[T], float], window: float = WINDOW) -> AsyncGenerator[T]:
    """Several live streams as one in the order of `when`; a value is held for older ones of others at most `window` seconds.

    In the beginning, sources that have not said anything are waited for up to `START` seconds: their backlog is on the way.
    """
    order = TimeOrder(when, START)
    silent = set(range(len(sources)))
    for number in silent:
        order.open(number)
    begun = time.monotonic()
    async with _Pumps(sources) as pumps:
        while pumps.going:
            taken = await pumps.take(order.due(time.monotonic()))
            now = time.monotonic()
            for number, item in taken:
                order.add(number, item, now)
            silent = (silent & pumps.open) - {number for number, _ in taken}
            order.window = START if silent and now < begun + START else window
            for number in pumps.ended():
                order.end(number)
            for item in order.ready(now):
                yield item
    for item in order.ready(time.monotonic()):
        yield item


# ---------------------------------------------------------------- every so often


async def every(seconds: float, look: Callable[[], Awaitable[T]]) -> AsyncGenerator[T]:
    """What `look` gives, at once and then on every beat of `seconds`; beats missed by a slow look are left out."""
    clock = asyncio.get_running_loop().time
    due = clock()
    while True:
        yield await look()
        due = max(due + seconds, clock())
        await asyncio.sleep(due - clock())
