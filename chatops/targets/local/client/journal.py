"""Follows the journal of a change on this machine: of our own, or of one that somebody else leads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

from chatops.attached import Course, Head
from chatops.events import Event
from chatops.program import Journal
from chatops.sanitize import sanitize
from chatops.targets.local.client.lock import held

POLL = 0.02


async def follow(
    path: Path, offset: int, journal: Journal, ended: asyncio.Event, stop: Path | None = None
) -> AsyncGenerator[Event, None]:
    """The journal's events until its phase ends.

    Cancelled once, it asks the program by the file `stop` to end after the current step; cancelled again, or without
    that file to make, it leaves.
    """
    async with aclosing(_lines(path, offset, ended, stop)) as lines:
        async for line in lines:
            if event := journal.event(line):
                yield event
            if journal.code is not None:
                return


async def _lines(path: Path, offset: int, ended: asyncio.Event, stop: Path | None = None) -> AsyncGenerator[bytes, None]:
    """What is and will be written into a file, until nobody writes any more."""
    rest = b""
    with path.open("rb") as file:
        file.seek(offset)
        while True:
            over = ended.is_set()
            data = file.read()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line
            if not data:
                if over:
                    return
                await _pause(ended, stop)


async def _pause(ended: asyncio.Event, stop: Path | None) -> None:
    task = asyncio.current_task()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await ended.wait()
    except asyncio.CancelledError:
        if task is None or stop is None or stop.exists():
            raise
        stop.touch()
        task.uncancel()


async def join(state: Path) -> AsyncGenerator[Event, None]:
    """The events of the change that holds the lock, from its first. Raises what it ended with."""
    ended, course = asyncio.Event(), Course(sanitize, "")
    watching = asyncio.create_task(_until_free(state, ended))
    try:
        async with aclosing(_lines(state / "journal.ndjson", 0, ended)) as lines:
            async for line in lines:
                if begun := Head.read(line):
                    course.begin(begun)
                elif event := course.event(line):
                    yield event
    finally:
        watching.cancel()
    course.end()


async def _until_free(state: Path, ended: asyncio.Event) -> None:
    while not ended.is_set():
        if held(state) is None:
            ended.set()
        await asyncio.sleep(POLL)
