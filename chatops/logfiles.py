"""The log files of local workers as one stream of LogLines in the order of their times: what was there, then what comes."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path

from chatops.events import LogLine
from chatops.loglines import Origin, Parser
from chatops.ordering import TimeOrder
from chatops.tail import Tail

POLL = 0.15
"""How often files are looked at, in seconds."""
DISCOVER = 1.0
"""How often it is asked which files there are, in seconds."""

Find = Callable[[], Mapping[Path, Origin]]
"""Which files there are now, and whose lines they hold."""
Redact = Callable[[str], str]
_when = attrgetter("time")


class _LogFile:
    """One file and what makes LogLines of it."""

    def __init__(self, path: Path, origin: Origin, redact: Redact | None) -> None:
        self.tail = Tail(path)
        self.parser = Parser(origin, redact)

    def backlog(self, follow: bool) -> Iterator[list[LogLine]]:
        """From where the tail stands to the end that the file has now, block by block."""
        end, modified = self.tail.size, self.tail.modified
        lines = self.tail.read(end)
        self.parser.begin(lines, modified)
        while lines or self.tail.more:
            if lines:
                yield [self.parser(line, modified, live=False) for line in lines]
            lines = self.tail.read(end)
        if not follow and (lines := self.tail.rest()):
            yield [self.parser(line, modified, live=False) for line in lines]

    def fresh(self) -> Iterator[LogLine]:
        """What was written since."""
        now = time.time()
        return (self.parser(line, now) for line in self.tail.read())


async def read(
    find: Find, tail: int, follow: bool, since: float | None = None, redact: Redact | None = None
) -> AsyncGenerator[LogLine]:
    """The last `tail` lines of all files together (with `since`, in epoch seconds: those from then on), then live ones.

    Rotated and truncated files are followed by name; files that `find` comes to give later are read from their beginning.
    """
    files = {path: _LogFile(path, origin, redact) for path, origin in find().items()}
    try:
        for lines in _backlog(files, tail, follow, since):
            for line in lines:
                yield line
            await asyncio.sleep(0)
        if follow:
            async for line in _live(find, files, redact):
                yield line
    finally:
        for file in files.values():
            file.tail.close()


def _backlog(files: Mapping[Path, _LogFile], tail: int, follow: bool, since: float | None) -> Iterator[list[LogLine]]:
    surplus = -tail
    for file in files.values():
        if since is None:
            surplus += file.tail.last(tail, whole=not follow)
        else:
            file.tail.since(file.parser.moment_of, since)
    for lines in _merged([file.backlog(follow) for file in files.values()]):
        if since is not None:
            yield [line for line in lines if line.time >= since]
        else:
            yield lines[max(0, surplus) :]
            surplus -= len(lines)


def _merged(files: list[Iterator[list[LogLine]]]) -> Iterator[list[LogLine]]:
    """Blocks of all files in the order of times: to sort what is nearly sorted is far cheaper than a heap of single lines."""
    blocks = {file: block for file in files if (block := next(file, None))}
    while len(blocks) > 1:
        edge = min(block[-1].time for block in blocks.values())
        ready: list[LogLine] = []
        for file, block in list(blocks.items()):
            cut = bisect_right(block, edge, key=_when)
            ready += block[:cut]
            blocks[file] = block[cut:] or next(file, [])
            if not blocks[file]:
                del blocks[file]
        yield sorted(ready, key=_when)
    for file, block in blocks.items():
        yield block
        yield from file


async def _live(find: Find, files: dict[Path, _LogFile], redact: Redact | None) -> AsyncGenerator[LogLine]:
    clock = asyncio.get_running_loop().time
    order: TimeOrder[LogLine] = TimeOrder(_when)
    asked = clock()
    for path in files:
        order.open(path)
    while True:
        if clock() > asked + DISCOVER:
            _discover(find(), files, order, redact)
            asked = clock()
        for path, file in files.items():
            for line in file.fresh():
                order.add(path, line, clock())
        for line in order.ready(clock()):
            yield line
        busy = any(file.tail.more for file in files.values())
        await asyncio.sleep(0 if busy else min(POLL, order.due(clock()) or POLL))


def _discover(
    there: Mapping[Path, Origin], files: dict[Path, _LogFile], order: TimeOrder[LogLine], redact: Redact | None
) -> None:
    for path in sorted(there.keys() - files.keys()):
        files[path] = _LogFile(path, there[path], redact)
        order.open(path)
    for path in sorted(files.keys() - there.keys()):
        if not files[path].tail.more:
            files.pop(path).tail.close()
            order.end(path)
