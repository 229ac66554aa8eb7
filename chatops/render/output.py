"""Lines to standard output: many in one write, but none kept for long."""

from __future__ import annotations

import asyncio
import os
import select
import stat
from contextlib import suppress
from types import TracebackType
from typing import TextIO

PATIENCE = 0.1
"""How long a line waits for others where a program reads, in seconds; in a terminal none waits."""
FULL = 64 * 1024
"""Characters that are written at once whatever comes."""


class Output:
    """Writes lines to a stream. A reader that went away (EPIPE) ends the block with BrokenPipeError, also between two lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._patience = 0.0 if stream.isatty() else PATIENCE
        self._waiting: list[str] = []
        self._size = 0
        self._planned: asyncio.TimerHandle | None = None
        self._broken: OSError | None = None
        self._pipe: int | None = None

    async def __aenter__(self) -> Output:
        self._loop = asyncio.get_running_loop()
        self._consumer = asyncio.current_task()
        with suppress(OSError, ValueError):  # no file
            self._watch(self._stream.fileno())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._planned is not None:
            self._planned.cancel()
        self._unwatch()
        if self._broken is not None:
            raise self._broken from None
        self._flush()

    def _watch(self, descriptor: int) -> None:
        """A pipe or a socket shows an error as soon as nobody reads it any more, and wakes who waits to read from it."""
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            self._loop.add_reader(descriptor, self._left, descriptor)
            self._pipe = descriptor

    def _unwatch(self) -> None:
        if self._pipe is not None:
            self._loop.remove_reader(self._pipe)
            self._pipe = None

    def _left(self, descriptor: int) -> None:
        """Somebody may have sent something instead, which is nothing to us."""
        self._unwatch()
        errors = select.poll()
        errors.register(descriptor, 0)
        if errors.poll(0):
            self._break(BrokenPipeError())

    def write(self, line: str) -> None:
        """One line; the newline comes with it."""
        self._waiting.append(line)
        self._size += len(line)
        if self._size > FULL:
            self._flush()
        elif self._planned is None:
            self._planned = self._loop.call_later(self._patience, self._flush_later)

    def _flush_later(self) -> None:
        try:
            self._flush()
        except OSError as error:
            self._break(error)

    def _break(self, error: OSError) -> None:
        self._broken = error
        if self._consumer is not None:
            self._consumer.cancel()

    def _flush(self) -> None:
        self._planned = None
        if self._waiting:
            text = "\n".join(self._waiting) + "\n"
            self._waiting, self._size = [], 0
            self._stream.write(text)
            self._stream.flush()
