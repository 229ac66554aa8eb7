"""The log files of hosts as LogLines: one channel a host, what was there merged by time, then what comes."""

from __future__ import annotations

import asyncio
import heapq
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from pathlib import Path, PurePosixPath

from chatops.errors import TargetError
from chatops.events import LogLine
from chatops.frozen import frozen
from chatops.limits import LIMITS
from chatops.loglines import Origin, Parser
from chatops.sanitize import LINE_CAP, sanitize, sanitize_line
from chatops.shell import assign
from chatops.streams import in_order, merge
from chatops.targets.vps.client.link import Link
from chatops.targets.vps.client.reach import Reach

_SCRIPT = Path(__file__).with_name("follow.sh")
_WORKER = re.compile(r"(?P<worker>.+)\.(?P<stream>out|err)\.log\Z")
_FRAME = re.compile(rb"(\d+)([@=+])(.*)\Z", re.DOTALL)
_when = attrgetter("time")


@frozen
class Source:
    """The files of one host: shell patterns of paths, files whose lines are secrets, and whose name the lines carry."""

    link: Link
    globs: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    user: str = ""


@dataclass(slots=True)
class _File:
    """One file: what makes LogLines of it, and the beginning of a line that is not complete."""

    parser: Parser
    begun: list[bytes] = field(default_factory=list)
    dropped: int = 0

    def add(self, kind: bytes, piece: bytes) -> str | None:
        """The line that `piece` completes."""
        room = LINE_CAP - sum(map(len, self.begun))
        self.begun.append(piece[:room])
        self.dropped += max(0, len(piece) - room)
        if kind == b"+":
            return None
        line = sanitize_line(b"".join(self.begun), self.dropped)
        self.begun, self.dropped = [], 0
        return line


class _Host:
    """The frames of one host, made into lines."""

    def __init__(self, target: str, source: Source, frames: AsyncGenerator[bytes]) -> None:
        self._target = target
        self._source = source
        self._frames = frames
        self._files: dict[bytes, _File] = {}

    async def backlog(self) -> list[LogLine]:
        """What was there, in the order of time."""
        lines: dict[bytes, list[str]] = {}
        async for frame in self._frames:
            if frame == b"!":
                break
            if (found := self._line(frame)) and found[1] is not None:
                lines.setdefault(found[0], []).append(found[1])
        return list(heapq.merge(*(self._parsed(self._files[number], texts) for number, texts in lines.items()), key=_when))

    def _parsed(self, file: _File, texts: list[str]) -> list[LogLine]:
        now = time.time()
        file.parser.begin(texts, now)
        return [file.parser(text, now, live=False) for text in texts]

    async def live(self) -> AsyncIterator[LogLine]:
        """What comes."""
        async for frame in self._frames:
            if (found := self._line(frame)) and found[1] is not None:
                yield self._files[found[0]].parser(found[1], time.time())

    def _line(self, frame: bytes) -> tuple[bytes, str | None] | None:
        match = _FRAME.match(frame)
        if match is None:
            return None
        number, kind, text = match.groups()
        if kind == b"@":
            self._files[number] = _File(Parser(_origin(self._target, self._source.link.host.address, text)))
            return None
        return (number, self._files[number].add(kind, text)) if number in self._files else None


def _origin(target: str, host: str, path: bytes) -> Origin:
    name = sanitize(PurePosixPath(path.decode("utf-8", "backslashreplace")).name)
    if match := _WORKER.match(name):
        return Origin(target=target, host=host, worker=match["worker"], stream="err" if match["stream"] == "err" else "out")
    return Origin(target=target, host=host, source="nginx", stream="err" if name.endswith("error.log") else "out")


def _script(source: Source, tail: int, follow: bool, since: float | None) -> str:
    given = {
        "globs": " ".join(source.globs),
        "secrets": " ".join(source.secrets),
        "last": tail,
        "follow": "yes" if follow else "",
        "since": ""
        if since is None
        else datetime.fromtimestamp(since, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00"),
    }
    return "\n".join([*(assign(name, value) for name, value in given.items()), _SCRIPT.read_text()])


class Return:
    """No lines, but the end of those of the others when a host that was out of reach can be reached: who follows begins again,
    with it. `pause`: seconds from try to try."""

    def __init__(self, reach: Reach, pause: float = LIMITS.connect) -> None:
        self._reach = reach
        self._pause = pause

    def __aiter__(self) -> AsyncIterator[LogLine]:
        return self

    async def __anext__(self) -> LogLine:
        while True:
            await asyncio.sleep(self._pause)
            with suppress(TargetError):
                await self._reach.link()
                break
        raise TargetError(f"`{self._reach.host.address}` can be reached again")


async def lines(
    target: str, sources: Sequence[Source], tail: int, follow: bool, since: float | None, absent: Sequence[Return] = ()
) -> AsyncGenerator[LogLine, None]:
    """The last `tail` lines of all hosts together (with `since`, in epoch seconds: those from then on), then live ones.

    Raises TargetError when a host is lost, or one of the `absent` ones is back.
    """
    async with AsyncExitStack() as stack:
        hosts = []
        for source in sources:
            frames = source.link.lines(_script(source, tail, follow, since), user=source.user)
            hosts.append(_Host(target, source, await stack.enter_async_context(aclosing(frames))))
        merged = list(heapq.merge(*await asyncio.gather(*(host.backlog() for host in hosts)), key=_when))
        surplus = max(0, len(merged) - tail) if since is None else 0
        for line in islice(merged, surplus, None):
            if since is None or line.time >= since:
                yield line
        if follow:
            live = in_order(*(host.live() for host in hosts), when=_when)
            async with aclosing(live), aclosing(merge(live, *absent)) as found:
                async for line in found:
                    yield line
