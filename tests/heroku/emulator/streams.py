"""Build and release output as Heroku serves it: text with NUL fillers, or server-sent events whose ids are byte offsets."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from tests.heroku.emulator.faults import Cut
from tests.heroku.emulator.model import new_id

SSE = "text/event-stream"


class Output:
    """Bytes that grow until they are closed; many can read them, each from where it likes."""

    def __init__(self, kind: str) -> None:
        self.id = new_id()
        self.kind = kind
        self.data = bytearray()
        self.closed = False
        self.started = False
        self._changed = asyncio.Event()

    def write(self, text: str) -> None:
        self.started = True
        self.data += text.encode()
        self._wake()

    def line(self, text: str) -> None:
        self.write(text + "\n")

    def close(self) -> None:
        self.started = self.closed = True
        self._wake()

    async def follow(self, offset: int, keep_alive: float) -> AsyncIterator[bytes]:
        """What was written from `offset` on; empty when nothing came for `keep_alive` seconds."""
        while True:
            changed = self._changed
            if offset < len(self.data):
                piece = bytes(self.data[offset:])
                offset += len(piece)
                yield piece
            elif self.closed:
                return
            else:
                try:
                    await asyncio.wait_for(changed.wait(), keep_alive)
                except TimeoutError:
                    yield b""

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def serve(request: web.Request, output: Output, keep_alive: float, cut: Cut | None) -> web.StreamResponse:
    """One reader of an output, from the start or from where it says (`Last-Event-ID`, `Range: N-`)."""
    if not output.started:
        return web.Response(status=404, text="Channel is not registered.\n")
    events = SSE in request.headers.get("Accept", "")
    offset = _offset(request)
    if offset > len(output.data):
        return web.Response(status=416)
    if events and offset and output.closed and offset == len(output.data):
        return web.Response(status=204)
    response = web.StreamResponse(headers={"Content-Type": SSE if events else "text/plain; charset=utf-8"})
    await response.prepare(request)
    async for piece in _limited(output.follow(offset, keep_alive), cut):
        offset += len(piece)
        await response.write(_event(piece, offset) if events else piece or b"\0")
    await end(request, response, cut)
    return response


async def end(request: web.Request, response: web.StreamResponse, cut: Cut | None) -> None:
    """Ends an answer well, or by a reset where a cut asks for it."""
    if cut and not cut.clean and request.transport:
        request.transport.abort()
        return
    with suppress(ConnectionResetError):  # the reader may have gone before
        await response.write_eof()


async def _limited(pieces: AsyncIterator[bytes], cut: Cut | None) -> AsyncIterator[bytes]:
    left = cut.after if cut else None
    async for piece in pieces:
        if left is None:
            yield piece
            continue
        if piece[:left]:
            yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


def _offset(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID") or request.headers.get("Range") or ""
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0


def _event(piece: bytes, offset: int) -> bytes:
    if not piece:
        return b":keepalive\n\n"
    data = b"".join(b"data: " + line + b"\n" for line in piece.split(b"\n"))
    return b"id: %d\n%s\n" % (offset, data)
