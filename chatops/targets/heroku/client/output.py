"""Build and release output as lines: fillers stripped, a cut stream taken up at its byte offset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import httpx

from chatops.sanitize import sanitize_line
from chatops.targets.heroku.client.api import TRIES, pause
from chatops.targets.heroku.client.events import Events

SILENCE = 30.0
"""Seconds without so much as a filler (they come every 10 s): the link is dead."""
LONGEST = 1024 * 1024
"""Bytes of a line that are kept while its end has not come."""
_HEADERS = {"Accept": "text/event-stream, text/plain;q=0.5"}


class Output:
    """One stream. `lines` may be called again: it goes on where it was."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._offset = 0
        self._rest = b""

    async def lines(self, tries: int = TRIES) -> AsyncGenerator[str]:
        """Each whole line once, safe to show. It ends when the stream does or can't be had now: ask for the status then."""
        failures = 0
        while failures < tries:
            before = self._offset
            try:
                async for line in self._read():
                    yield line
                return
            except (httpx.TransportError, _NotNow):
                failures = 1 if self._offset > before else failures + 1
            if failures < tries:
                await asyncio.sleep(pause(failures))

    def rest(self) -> list[str]:
        """A last line that has no end."""
        last, self._rest = self._rest, b""
        return [sanitize_line(last)] if last else []

    async def _read(self) -> AsyncIterator[str]:
        async for piece, end in self._pieces():
            self._offset = end
            *whole, self._rest = (self._rest + piece).split(b"\n")
            for line in whole:
                yield sanitize_line(line)
            self._rest = self._rest[:LONGEST]

    async def _pieces(self) -> AsyncIterator[tuple[bytes, int]]:
        """Pieces, and the offset after each."""
        position = {"Last-Event-ID": str(self._offset), "Range": f"{self._offset}-"} if self._offset else {}
        timeout = httpx.Timeout(5.0, read=SILENCE)
        async with self._http.stream("GET", self._url, headers={**_HEADERS, **position}, timeout=timeout) as answer:
            if answer.status_code in (204, 416):
                return
            if not answer.is_success:
                raise _NotNow
            events = "event-stream" in answer.headers.get("Content-Type", "")
            async for found in _events(answer) if events else _text(answer, self._offset):
                yield found


class _NotNow(Exception):
    """The stream is not there yet (404), or the platform is busy."""


async def _text(answer: httpx.Response, offset: int) -> AsyncIterator[tuple[bytes, int]]:
    """Plain text; NULs only keep the link alive and count for nothing."""
    async for raw in answer.aiter_raw():
        if piece := raw.replace(b"\0", b""):
            offset += len(piece)
            yield piece, offset


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[bytes, int]]:
    """Server-sent events, whose ids are byte offsets; comments keep the link alive."""
    events = Events()
    async for raw in answer.aiter_raw():
        for data, end in events.feed(raw):
            yield data.replace(b"\0", b""), int(end) if end.isdigit() else 0
