"""A growing file read by name, as `tail -F` does: from a line or a time on, through rotation and truncation."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from chatops.splitter import Splitter

BLOCK = 64 * 1024
"""Bytes read at a time."""
MARK = 64
"""Bytes before the place that are read again with what follows: where they changed, the file was cut and written anew."""


class Tail:
    """One file, read from its beginning unless `last` or `since` is asked first. No file of that name is an empty file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._splitter = Splitter()
        self._position = 0
        self._mark = b""
        self.more = False
        """Whether the last `read` left something behind."""

    def last(self, count: int, whole: bool) -> int:
        """Goes to the last `count` lines and gives how many there are. `whole`: one without a newline is a line, too."""
        if self._opened() is None:
            return 0
        position, found = _last_lines(self._bytes, self.size, count, whole)
        self._go(position)
        return found

    def since(self, moment_of: Callable[[str], float | None], moment: float) -> None:
        """Goes to a line before which everything is older than `moment` (by `moment_of` a line; epoch seconds)."""
        if self._opened() is not None:
            self._go(_first_since(self._bytes, self.size, moment_of, moment))

    @property
    def size(self) -> int:
        """Bytes in the file that is open."""
        return os.fstat(self._file.fileno()).st_size if self._file else 0

    @property
    def modified(self) -> float:
        """When the open file was written last, in epoch seconds."""
        return os.fstat(self._file.fileno()).st_mtime if self._file else 0.0

    def read(self, end: int | None = None) -> list[str]:
        """The next lines (up to the byte `end`), safe to show; none at the end of the file."""
        if self._opened() is None:
            return []
        before = len(self._mark)
        data = self._bytes(self._position - before, before + (BLOCK if end is None else min(BLOCK, end - self._position)))
        if not data.startswith(self._mark):
            return self._restart()
        self._position += len(data) - before
        self._mark = data[-MARK:]
        data = data[before:]
        self.more = len(data) == BLOCK
        if data or end is not None:
            return self._splitter.feed(data)
        return self._look_again()

    def rest(self) -> list[str]:
        """The last line where it has no newline."""
        return self._splitter.rest()

    def close(self) -> None:
        """Gives the file back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> FileIO | None:
        if self._file is None and self._path.exists():
            self._file = FileIO(self._path)
        return self._file

    def _bytes(self, position: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, position) if self._file else b""

    def _look_again(self) -> list[str]:
        """At the end of the file: is it still the one of this name?"""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return []
        if there.st_size == 0 or (self._file and os.path.samestat(there, os.fstat(self._file.fileno()))):
            return []  # a new one that is empty: whoever writes may go on with the old file until it reopens its own
        self.close()
        return self._restart()

    def _go(self, position: int) -> None:
        self._position = position
        self._mark = self._bytes(max(0, position - MARK), min(MARK, position))

    def _restart(self) -> list[str]:
        self._go(0)
        self.more = True
        return self.rest()


_Read = Callable[[int, int], bytes]


def _last_lines(read: _Read, size: int, count: int, whole: bool) -> tuple[int, int]:
    """Where the last `count` lines begin, and how many they are; reads backwards, keeps one block."""
    unfinished = int(whole and size > 0 and read(size - 1, 1) != b"\n")
    if whole and count == 0:
        return size, 0
    wanted, seen, position = count - unfinished, 0, size
    while position > 0:
        length = min(BLOCK, position)
        position -= length
        block = read(position, length)
        here = block.count(b"\n")
        if seen + here > wanted:
            return position + _newline(block, wanted + 1 - seen) + 1, count
        seen += here
    return 0, seen + unfinished


def _newline(block: bytes, number: int) -> int:
    """Where the newline `number`, counted from the end, is."""
    found = len(block)
    for _ in range(number):
        found = block.rindex(b"\n", 0, found)
    return found


def _first_since(read: _Read, size: int, moment_of: Callable[[str], float | None], moment: float) -> int:
    position = size
    while position > 0:
        position = max(0, position - BLOCK)
        block = read(position, BLOCK)
        begin = block.find(b"\n") + 1 if position else 0
        lines = Splitter().feed(block[begin:])
        first = next((found for line in lines[:100] if (found := moment_of(line)) is not None), None)
        if first is not None and first < moment:
            return position + begin
    return 0
