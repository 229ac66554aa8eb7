"""One request carried to a dyno and its answer back, or a WebSocket's bytes both ways, with the router's limits."""

from __future__ import annotations

import asyncio
import contextlib
import time

import h11

from tests.heroku.emulator.dyno import Dyno
from tests.heroku.emulator.pages import Failed
from tests.heroku.emulator.visit import READ_BYTES, Side, Visit

HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer"}
OURS = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", b"x-request-id", b"x-request-start", b"via"}
Headers = list[tuple[bytes, bytes]]


async def carry(visit: Visit, dyno: Dyno) -> None:
    """Raises Failed where the dyno does not do its part."""
    side = await _connect(visit, dyno)
    sending = asyncio.create_task(_send_request(visit, side))
    reusable = False
    try:
        reusable = await _answer(visit, dyno, side, sending)
    except (h11.RemoteProtocolError, ConnectionError):
        raise _broken(visit) from None
    finally:
        sending.cancel()
        if reusable:
            dyno.idle.append((side.reader, side.writer, time.monotonic()))
        else:
            side.writer.close()


async def _connect(visit: Visit, dyno: Dyno) -> Side:
    """A kept connection (90 s, as Router 2.0 does), else a new one."""
    began = time.monotonic()
    reader, writer = _kept(visit, dyno) or await _dial(dyno)
    visit.connect = time.monotonic() - began
    return Side(h11.Connection(h11.CLIENT), reader, writer)


def _kept(visit: Visit, dyno: Dyno) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    while dyno.idle:
        reader, writer, since = dyno.idle.pop()
        if not reader.at_eof() and time.monotonic() - since < visit.limits.dyno_keep_alive:
            return reader, writer
        writer.close()
    return None


async def _dial(dyno: Dyno) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", dyno.port), 5)
    except TimeoutError:
        raise Failed("H19", "Backend connection timeout") from None
    except OSError:
        raise Failed("H21", "Backend connection refused") from None


async def _send_request(visit: Visit, side: Side) -> None:
    request = visit.request
    await side.send(h11.Request(method=request.method, target=request.target, headers=_request_headers(visit)))
    while not isinstance(event := await visit.side.next(), h11.EndOfMessage):
        if not isinstance(event, h11.Data):
            return
        await side.send(event)
    await side.send(event)


def _request_headers(visit: Visit) -> Headers:
    kept = HOP_BY_HOP - ({b"connection"} if visit.upgrades else set())
    headers = [(name, value) for name, value in visit.request.headers if name not in kept | OURS]
    port = visit.app.port if visit.app else 0
    return [
        *headers, (b"X-Forwarded-For", visit.visitor.encode("latin-1")), (b"X-Forwarded-Proto", b"http"),
        (b"X-Forwarded-Port", str(port).encode()), (b"X-Request-Id", visit.id.encode("latin-1")),
        (b"X-Request-Start", str(int(time.time() * 1000)).encode()), (b"Via", b"1.1 heroku-router"),
    ]  # fmt: skip


async def _answer(visit: Visit, dyno: Dyno, side: Side, sending: asyncio.Task[None]) -> bool:
    """Carries the answer back; whether the connection to the dyno can be used again."""
    try:
        event = await asyncio.wait_for(_head(visit, side), visit.limits.first_byte)
    except TimeoutError:
        raise Failed("H12", "Request timeout") from None
    if isinstance(event, h11.InformationalResponse):
        await _switch(visit, side, event)
        return False
    await _body(visit, side, event)
    await _finished(sending)
    done = (h11.DONE, h11.DONE)
    return (side.connection.our_state, side.connection.their_state) == done and dyno.state == "up"


async def _head(visit: Visit, side: Side) -> h11.Response | h11.InformationalResponse:
    """The answer's head, or that of a switch to another protocol."""
    while True:
        event = await side.next()
        if isinstance(event, h11.Response):
            return event
        if isinstance(event, h11.ConnectionClosed):
            raise Failed("H13", "Connection closed without response")
        if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
            return event


async def _body(visit: Visit, side: Side, head: h11.Response) -> None:
    visit.status = head.status_code
    headers = [(name, value) for name, value in head.headers if name not in HOP_BY_HOP]
    headers.append((b"Via", b"1.1 heroku-router"))
    await visit.reply(h11.Response(status_code=head.status_code, headers=headers, reason=head.reason))
    while isinstance(event := await _within_idle(visit, side), h11.Data):
        visit.sent += len(event.data)
        await visit.reply(event)
    if not isinstance(event, h11.EndOfMessage):
        raise Failed("H18", "Server Request Interrupted", 0)
    await visit.reply(event)


async def _within_idle(visit: Visit, side: Side) -> object:
    try:
        return await asyncio.wait_for(side.next(), visit.limits.idle)
    except TimeoutError:
        raise Failed("H15", "Idle connection", 0) from None


async def _finished(sending: asyncio.Task[None]) -> None:
    """The request's last bytes may still be on their way when the answer is complete."""
    await asyncio.wait([sending], timeout=1)
    if sending.done() and not sending.cancelled() and sending.exception():
        raise ConnectionError("the request could not be sent")


async def _switch(visit: Visit, side: Side, head: h11.InformationalResponse) -> None:
    """A WebSocket: bytes both ways until one side ends, or nothing came for the idle limit."""
    visit.status = 101
    await visit.reply(head)
    moved = asyncio.Event()
    early = side.connection.trailing_data[0], visit.side.connection.trailing_data[0]
    visit.side.writer.write(early[0])
    side.writer.write(early[1])
    pumps = [
        asyncio.create_task(_pump(visit.side.reader, side.writer, moved)),
        asyncio.create_task(_pump(side.reader, visit.side.writer, moved, visit)),
    ]
    try:
        await _until_idle(pumps, moved, visit.limits.idle)
    finally:
        for pump in pumps:
            pump.cancel()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, moved: asyncio.Event, visit: Visit | None = None
) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            moved.set()
            if visit:
                visit.sent += len(data)
            writer.write(data)
            await writer.drain()


async def _until_idle(pumps: list[asyncio.Task[None]], moved: asyncio.Event, seconds: float) -> None:
    """Returns when a side has ended. Raises Failed (H15) after so long without a byte."""
    while True:
        moved.clear()
        done, _ = await asyncio.wait(pumps, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return
        if not moved.is_set():
            raise Failed("H15", "Idle connection", 0)


def _broken(visit: Visit) -> Failed:
    if visit.status == 0:
        return Failed("H13", "Connection closed without response")
    return Failed("H18", "Server Request Interrupted", 0)
