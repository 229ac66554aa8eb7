"""One phase on several hosts at once: events as they come, one host's failure asks the others to stop, so does ctrl+c."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Final, TypeVar

from chatops.errors import ChatopsError, Interrupted
from chatops.events import Event
from chatops.streams import merge
from chatops.targets.vps.client.carry import Carrier
from chatops.targets.vps.facts import Program

T = TypeVar("T")


class _End:
    """What stands for no further value."""


_END: Final = _End()


async def together(parts: Mapping[Carrier, Program], *, last: bool = False) -> AsyncGenerator[Event, None]:
    """Carries one phase out on every host; `last`: nothing comes after it. Raises the first failure when all have ended.

    Cancelled once, it asks every host to stop after its current step, which may be the phase's last: Interrupted is raised
    then, too, unless all is done with that. Cancelled again, it leaves: what runs there goes on.
    """
    failures: list[ChatopsError] = []
    stopped = asyncio.Event()

    async def stop() -> None:
        stopped.set()
        await asyncio.gather(*(carrier.stop() for carrier in parts))

    merged = merge(*(collected(carrier.phase(program), failures, stop) for carrier, program in parts.items()))
    async with aclosing(patiently(merged, stop)) as events:
        async for event in events:
            yield event
    if failures:
        raise next((failure for failure in failures if not isinstance(failure, Interrupted)), failures[0])
    if stopped.is_set() and not last:
        raise Interrupted("stopped between two phases")


async def collected(
    source: AsyncGenerator[T, None], failures: list[ChatopsError], first: Callable[[], Awaitable[None]] | None = None
) -> AsyncGenerator[T, None]:
    """`source`, whose failure is one of `failures` instead of being raised; where it is the first one, `first` is called."""
    try:
        async with aclosing(source):
            async for item in source:
                yield item
    except ChatopsError as error:
        failures.append(error)
        if first and len(failures) == 1:
            await first()


async def patiently(source: AsyncGenerator[T], stop: Callable[[], Awaitable[None]]) -> AsyncGenerator[T]:
    """`source`; the first cancellation calls `stop` and goes on, the second ends it."""
    asked = False
    async with aclosing(source):
        while True:
            coming: asyncio.Future[T | _End] = asyncio.ensure_future(anext(source, _END))
            try:
                while not coming.done():
                    asked = await _wait(coming, stop, asked)
            finally:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
            item = coming.result()
            if isinstance(item, _End):
                return
            yield item


async def _wait(coming: asyncio.Future[T], stop: Callable[[], Awaitable[None]], asked: bool) -> bool:
    """Whether `stop` has been called."""
    task = asyncio.current_task()
    try:
        await asyncio.wait([coming])
    except asyncio.CancelledError:
        if asked or task is None:
            raise
        task.uncancel()
        await stop()
        return True
    return asked
