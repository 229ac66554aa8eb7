"""One request carried to a dyno and its answer back, or a WebSocket's bytes both ways, with the router's limits."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from dataclasses import dataclass, field

import h11

from tests.heroku.emulator.dyno import Dyno
from tests.heroku.emulator.limits import Limits
from tests.heroku.emulator.model import App
from tests.heroku.emulator.pages import Failed

READ_BYTES = 1 << 16
HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer"}
OURS = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", b"x-request-id", b"x-request-start", b"via"}
Headers = list[tuple[bytes, bytes]]


@dataclass
class Side:
    """One end of an exchange: a connection's protocol state and its streams."""

    connection: h11.Connection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def next(self) -> object:
        """The next h11 event (or PAUSED); reads where it must."""
        while (event := self.connection.next_event()) is h11.NEED_DATA:
            if self.connection.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
            self.connection.receive_data(await self.reader.read(READ_BYTES))
        return event

    async def send(self, event: h11.Event) -> None:
        data = self.connection.send(event)
        if data:
            self.writer.write(data)
            await self.writer.drain()


@dataclass
class Visit:
    """One request as the router's log line tells it; `app` is None where no app has that host."""

    request: h11.Request
    side: Side
    app: App | None
    limits: Limits
    began: float
    id: str = ""
    dyno: Dyno | None = None
    connect: float | None = None
    status: int = 0
    sent: int = 0
    failed: Failed | None = None
    headers: dict[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = dict(self.request.headers)
        self.id = self.headers.get(b"x-request-id", b"").decode("latin-1") or str(uuid.uuid4())
        self.upgrades = b"upgrade" in self.headers.get(b"connection", b"").lower()

    @property
    def visitor(self) -> str:
        """The visitor's address, after those that the request claims to come from."""
        claimed = self.headers.get(b"x-forwarded-for", b"").decode("latin-1")
        peer = (self.side.writer.get_extra_info("peername") or ("127.0.0.1",))[0]
        return f"{claimed}, {peer}" if claimed else peer

    def log(self) -> None:
        """The router's line about this request."""
        if self.app:
            self.app.log.heroku("router", self._line())

    def _line(self) -> str:
        failed = self.failed
        level = f'at={failed.level} code={failed.code} desc="{failed.description}"' if failed else "at=info"
        host = self.headers.get(b"host", b"").decode("latin-1").split(":")[0]
        connect = "" if self.connect is None else f"{self.connect * 1000:.0f}ms"
        service = "" if self.connect is None else f"{(time.monotonic() - self.began) * 1000:.0f}ms"
        return (
            f'{level} method={self.request.method.decode()} path="{self.request.target.decode("latin-1")}" host={host} '
            f'request_id={self.id} fwd="{self.visitor}" dyno={self.dyno.name if self.dyno else ""} connect={connect} '
            f"service={service} status={self.status or 503} bytes={self.sent or ''} "
            "protocol=http1.1 tls=false tls_version=unknown"
        )


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
    await visit.side.send(h11.Response(status_code=head.status_code, headers=headers, reason=head.reason))
    while isinstance(event := await _within_idle(visit, side), h11.Data):
        visit.sent += len(event.data)
        await visit.side.send(event)
    if not isinstance(event, h11.EndOfMessage):
        raise Failed("H18", "Server Request Interrupted", 0)
    await visit.side.send(event)


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
    await visit.side.send(head)
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
