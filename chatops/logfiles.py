"""The log files of local workers as one stream of LogLines in the order of their times: what was there, then what comes."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from itertools import islice
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
TURN = 500
"""How many lines go by before others on the event loop have their turn."""

Find = Callable[[], Mapping[Path, Origin]]
"""Which files there are now, and whose lines they hold."""
Redact = Callable[[str], str]
_when = attrgetter("time")


class _LogFile:
    """One file and what makes LogLines of it."""

    def __init__(self, path: Path, origin: Origin, redact: Redact | None) -> None:
        self.tail = Tail(path)
        self.parser = Parser(origin, redact)

    def backlog(self, follow: bool) -> Iterator[LogLine]:
        """From where the tail stands to the end that the file has now."""
        end, modified = self.tail.size, self.tail.modified
        lines = self.tail.read(end)
        self.parser.begin(lines, modified)
        while lines or self.tail.more:
            yield from (self.parser(line, modified, live=False) for line in lines)
            lines = self.tail.read(end)
        if not follow:
            yield from (self.parser(line, modified, live=False) for line in self.tail.rest())

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
        for number, line in enumerate(_backlog(files, tail, follow, since)):
            if number % TURN == 0:
                await asyncio.sleep(0)
            yield line
        if follow:
            async for line in _live(find, files, redact):
                yield line
    finally:
        for file in files.values():
            file.tail.close()


def _backlog(files: Mapping[Path, _LogFile], tail: int, follow: bool, since: float | None) -> Iterator[LogLine]:
    surplus = -tail
    for file in files.values():
        if since is None:
            surplus += file.tail.last(tail, whole=not follow)
        else:
            file.tail.since(file.parser.moment_of, since)
    merged = heapq.merge(*[file.backlog(follow) for file in files.values()], key=_when)
    if since is None:
        return islice(merged, max(0, surplus), None)
    return (line for line in merged if line.time >= since)


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
