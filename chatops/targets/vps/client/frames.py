"""What follow.pl prints on one host, made into LogLines, each with the place after it."""

from __future__ import annotations

import heapq
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import PurePosixPath

from chatops.events import LogLine
from chatops.frozen import frozen
from chatops.loglines import Origin, Parser
from chatops.sanitize import LINE_CAP, sanitize_line

_WORKER = re.compile(r"(?P<worker>.+)\.(?P<stream>out|err)\.log\Z")
_FRAME = re.compile(rb"(\d+)([@=+?])(.*)\Z", re.DOTALL)
when = attrgetter("line.time")


@dataclass(slots=True)
class _File:
    """One file: where it is read from, what makes LogLines of it, and the beginning of a line that is not complete."""

    path: str
    place: str
    modified: float
    since: float | None
    parser: Parser
    places: dict[str, str]
    begun: list[bytes] = field(default_factory=list)
    dropped: int = 0

    def add(self, piece: bytes) -> None:
        """A line begins, or goes on, with `piece`."""
        room = LINE_CAP - sum(map(len, self.begun))
        self.begun.append(piece[:room])
        self.dropped += max(0, len(piece) - room)

    def whole(self) -> str:
        """The line that is complete now."""
        line = sanitize_line(b"".join(self.begun), self.dropped)
        self.begun, self.dropped = [], 0
        return line


@frozen
class Read:
    """A line, and where its file was left after it."""

    line: LogLine
    file: _File
    place: str

    @property
    def wanted(self) -> bool:
        """Whether it is young enough for who asked; all that was not seen yet is."""
        return self.file.since is None or self.line.time >= self.file.since

    def taken(self) -> LogLine:
        """The line, which is not read again from now on."""
        self.file.places[self.file.path] = self.place
        return self.line


class Frames:
    """The frames of one host, made into lines. `places`: where its files are gone on with (by path), kept up to date."""

    def __init__(self, at: Origin, frames: AsyncGenerator[bytes], places: dict[str, str], since: float | None) -> None:
        self._at = at
        self._frames = frames
        self._places = places
        self._files: dict[bytes, _File] = {}
        self._since = None if places else since
        self.resumed = bool(places)
        self.gap = False

    async def backlog(self) -> list[Read]:
        """What was there, in the order of time."""
        found: dict[bytes, list[tuple[str, str]]] = {}
        async for frame in self._frames:
            if frame == b"!":
                break
            if said := self._said(frame):
                found.setdefault(said[0], []).append(said[1:])
        return list(heapq.merge(*(self._parsed(self._files[number], said) for number, said in found.items()), key=when))

    def settle(self) -> None:
        """All of the backlog has come: files of which nothing is shown are known from now on, too."""
        for file in self._files.values():
            self._places.setdefault(file.path, file.place)

    def _parsed(self, file: _File, said: list[tuple[str, str]]) -> list[Read]:
        file.parser.begin([text for _, text in said], file.modified)
        return [Read(file.parser(text, file.modified, live=False), file, place) for place, text in said]

    async def live(self) -> AsyncIterator[Read]:
        """What comes."""
        async for frame in self._frames:
            if said := self._said(frame):
                number, place, text = said
                file = self._files[number]
                yield Read(file.parser(text, time.time()), file, place)

    def _said(self, frame: bytes) -> tuple[bytes, str, str] | None:
        """The number of a file, the place after its line, and the line, where a frame completes one."""
        match = _FRAME.match(frame)
        if match is None:
            return None
        number, kind, text = match.groups()
        if kind == b"@":
            self._files[number] = self._appeared(text)
        elif kind == b"?":
            self.gap = True
        elif kind == b"+":
            self._files[number].add(text)
        else:
            place, _, rest = text.partition(b" ")
            self._files[number].add(rest)
            return number, place.decode(), self._files[number].whole()
        return None

    def _appeared(self, said: bytes) -> _File:
        place, modified, path = said.decode().split(" ", 2)
        parser = Parser(_origin(self._at, path))
        return _File(path, place, float(modified), self._since, parser, self._places)


def _origin(at: Origin, path: str) -> Origin:
    name = PurePosixPath(path).name
    if match := _WORKER.match(name):
        return replace(at, worker=match["worker"], stream="err" if match["stream"] == "err" else "out")
    return replace(at, source="nginx", stream="err" if name.endswith("error.log") else "out")
