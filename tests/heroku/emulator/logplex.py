"""The log channel of an app: a ring of lines, the sessions that read it, and their two formats."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from tests.heroku.emulator.clock import log_stamp
from tests.heroku.emulator.limits import Limits
from tests.heroku.emulator.model import new_id


@dataclass(frozen=True, slots=True)
class Line:
    """One log line; `source` is `app` or `heroku`, `process` `web.1`, `router`, `api`."""

    number: int
    time: str
    source: str
    process: str
    message: str

    def __str__(self) -> str:
        return f"{self.time} {self.source}[{self.process}]: {self.message}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines a session wants; empty means all."""

    source: str = ""
    dyno: str = ""
    type: str = ""

    def wants(self, line: Line) -> bool:
        return (
            (not self.source or line.source == self.source)
            and (not self.dyno or line.process == self.dyno or line.process.startswith(f"{self.dyno}."))
            and (not self.type or line.process.split(".")[0] == self.type)
        )


@dataclass(eq=False)
class Tail:
    """A live reader that the channel feeds; what it can't hold is counted and told as L11."""

    filter: Filter
    room: int
    lines: deque[Line] = field(default_factory=deque)
    dropped: int = 0
    dropped_since: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    def offer(self, line: Line) -> None:
        if not self.filter.wants(line):
            return
        if len(self.lines) >= self.room:
            self.dropped += 1
            self.dropped_since = self.dropped_since or line.time
        else:
            self.lines.append(line)
        self.wake.set()

    def close(self) -> None:
        self.closed = True
        self.wake.set()

    def take(self) -> list[Line]:
        """Everything that waits, and what was lost."""
        taken = list(self.lines)
        self.lines.clear()
        self.wake.clear()
        if self.dropped:
            lost = f"dropped {self.dropped} messages since {self.dropped_since}"
            text = f"Error L11 (Tail buffer overflow) -> This tail session {lost}."
            taken.append(Line(taken[-1].number if taken else 0, log_stamp(), "heroku", "logplex", text))
            self.dropped, self.dropped_since = 0, ""
        return taken


class Channel:
    """All lines of one app, oldest first, bounded; live readers hear each once."""

    def __init__(self, limits: Limits) -> None:
        self.id = f"app-{new_id()}"
        self.limits = limits
        self.lines: deque[Line] = deque(maxlen=limits.log_lines)
        self.tails: set[Tail] = set()
        self.count = 0

    def write(self, source: str, process: str, *messages: str) -> None:
        """Adds lines with the time of now; long ones are split."""
        for message in messages:
            for part in self._parts(message):
                self._add(source, process, part)

    def heroku(self, process: str, message: str) -> None:
        self.write("heroku", process, message)

    def api(self, message: str) -> None:
        self.write("app", "api", message)

    def backlog(self, wanted: Filter, most: int, after: int = 0) -> list[Line]:
        """The last `most` lines, or with `after` those since that number."""
        lines = [line for line in self.lines if line.number > after and wanted.wants(line)]
        return lines[-most:] if most else []

    def tail(self, wanted: Filter) -> Tail:
        tail = Tail(wanted, self.limits.tail_lines)
        self.tails.add(tail)
        return tail

    def close_tails(self) -> None:
        """Ends every live reader, as the platform does when it likes."""
        for tail in list(self.tails):
            tail.close()

    def _parts(self, message: str) -> Iterable[str]:
        size = self.limits.line_bytes
        return (message[start : start + size] for start in range(0, max(len(message), 1), size))

    def _add(self, source: str, process: str, message: str) -> None:
        self.count += 1
        line = Line(self.count, log_stamp(), source, process, message)
        self.lines.append(line)
        for tail in self.tails:
            tail.offer(line)


async def follow(channel: Channel, tail: Tail, keep_alive: float) -> AsyncIterator[list[Line]]:
    """Batches of live lines until the tail is closed; an empty one after `keep_alive` seconds of silence."""
    try:
        while True:
            batch = tail.take()
            if batch:
                yield batch
            elif tail.closed:
                return
            else:
                await _woken(tail, keep_alive)
                if not tail.lines and not tail.closed:
                    yield []
    finally:
        channel.tails.discard(tail)


async def _woken(tail: Tail, seconds: float) -> None:
    try:
        await asyncio.wait_for(tail.wake.wait(), seconds)
    except TimeoutError:
        return


def as_text(batch: list[Line]) -> bytes:
    """Lines, or the NUL that keeps a quiet connection alive."""
    return "".join(f"{line}\n" for line in batch).encode() or b"\0"


def as_events(batch: list[Line]) -> bytes:
    """Server-sent events, or the comment that keeps a quiet connection alive."""
    return "".join(f"id: {line.number}\ndata: {line}\n\n" for line in batch).encode() or b":keepalive\n\n"
