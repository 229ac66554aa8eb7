"""Log sessions as LogLines: the backlog, then live; a session that ends is followed by a new one, with no gap and no repeat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import httpx

from chatops.errors import TargetError
from chatops.events import LogLine
from chatops.resume import Seen
from chatops.sanitize import sanitize
from chatops.targets.heroku.client.api import Api, pause
from chatops.targets.heroku.client.events import Events
from chatops.targets.heroku.client.lines import Reader

MOST = 1500
"""Lines that the platform keeps at all."""
SILENCE = 30.0
"""Seconds without so much as a keep-alive: the link is dead."""
FAILURES = 5
"""Sessions in a row that end without a new line before we say so."""
_HEADERS = {"Accept": "text/event-stream, text/plain;q=0.5"}


class Log:
    """The log of one app; `path` is the app's in the API."""

    def __init__(self, api: Api, path: str, target: str, redact: Callable[[str], str]) -> None:
        self._api = api
        self._path = path
        self._target = target
        self._redact = redact

    async def backlog(self, tail: int, since: float | None) -> AsyncGenerator[LogLine]:
        """The last `tail` lines, or those since an epoch time, as far as the platform still has them."""
        if tail <= 0 and since is None:
            return
        lines = MOST if since is not None else min(tail, MOST)
        async with aclosing(self._session(lines, tail=False)) as session:
            async for line in session:
                if since is None or line.time >= since:
                    yield line

    async def follow(self, tail: int, since: float | None) -> AsyncGenerator[LogLine]:
        """Backlog, then live lines without end. Raises TargetError when the link is lost: open it again from there."""
        seen = Seen(_moment, _identity)
        begun = time.time()
        source = self._first(tail, since)
        failures = 0
        while True:
            fresh = False
            async with aclosing(source) as lines:
                async for line in lines:
                    if seen.fresh(line):
                        fresh = True
                        yield line
            failures = 0 if fresh else failures + 1
            if failures >= FAILURES:
                raise TargetError("log sessions end as soon as they begin")
            await asyncio.sleep(pause(failures))
            source = self._again(seen.position) if seen.position else self._since(begun)
            seen.rewind()

    async def _first(self, tail: int, since: float | None) -> AsyncGenerator[LogLine]:
        """Without `tail` and `since` only new lines; the one old line that a session must give is left out."""
        if since is not None:
            async with aclosing(self._since(since)) as lines:
                async for line in lines:
                    yield line
            return
        begun, old = time.time(), tail <= 0
        async with aclosing(self._session(min(max(tail, 1), MOST), tail=True)) as session:
            async for line in session:
                if not (old and line.time < begun):
                    yield line
                old = False

    async def _since(self, position: float) -> AsyncGenerator[LogLine]:
        """Everything from a time on, inclusive, as far as the platform still has it."""
        skipped = 0
        async with aclosing(self._session(MOST, tail=True)) as session:
            async for line in session:
                if skipped < MOST and line.time < position:
                    skipped += 1
                else:
                    yield line

    async def _again(self, position: float) -> AsyncGenerator[LogLine]:
        """From the time of a line that was seen; where that line is gone, others may be gone with it, and we say so."""
        first = True
        async with aclosing(self._since(position)) as lines:
            async for line in lines:
                if first and line.time > position:
                    yield self._gap(line.time)
                first = False
                yield line

    def _gap(self, moment: float) -> LogLine:
        message = f"lines before this one may be missing: Heroku keeps the last {MOST} only"
        return LogLine(time=moment, target=self._target, host="heroku", source="heroku", level="warning", message=message)

    async def _session(self, lines: int, tail: bool) -> AsyncGenerator[LogLine]:
        """One session, to its end."""
        reader = Reader(self._target, self._redact)
        session = await self._api.ask(f"{self._path}/log-sessions", {"lines": lines, "tail": tail})
        async with aclosing(_raw(self._api.plain(session["logplex_url"]), session["logplex_url"])) as batches:
            async for batch in batches:
                for raw in batch:
                    if (line := reader(raw)) is not None:
                        yield line


async def _raw(http: httpx.AsyncClient, url: str) -> AsyncGenerator[list[bytes]]:
    """Batches of whole raw lines. Raises TargetError when the link is cut or silent."""
    timeout = httpx.Timeout(5.0, read=SILENCE)
    try:
        async with http.stream("GET", url, headers=_HEADERS, timeout=timeout) as answer:
            if not answer.is_success:
                raise TargetError(f"the log session can't be read: status {answer.status_code}")
            events = "event-stream" in answer.headers.get("Content-Type", "")
            async for batch in _events(answer) if events else _text(answer):
                yield batch
    except httpx.ReadTimeout:
        raise TargetError(f"the log was silent for {SILENCE:.0f} s") from None
    except httpx.TransportError as error:
        raise TargetError(f"the log was cut: {sanitize(str(error)) or type(error).__name__}") from None


async def _events(answer: httpx.Response) -> AsyncIterator[list[bytes]]:
    events = Events()
    async for piece in answer.aiter_raw():
        yield [data for data, _ in events.feed(piece)]


async def _text(answer: httpx.Response) -> AsyncIterator[list[bytes]]:
    rest = b""
    async for piece in answer.aiter_raw():
        *whole, rest = (rest + piece.replace(b"\0", b"")).split(b"\n")
        yield whole
    if rest:
        yield [rest]


def _moment(line: LogLine) -> float:
    return line.time


def _identity(line: LogLine) -> tuple[str, ...]:
    return (line.worker, line.source, line.message, repr(line.fields))
