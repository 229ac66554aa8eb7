"""One visitor's request as the router sees it, and the two connections it has to do with."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field

import h11

from tests.heroku.emulator.dyno import Dyno
from tests.heroku.emulator.limits import Limits
from tests.heroku.emulator.model import App
from tests.heroku.emulator.pages import Failed

READ_BYTES = 1 << 16


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

    async def reply(self, event: h11.Event) -> None:
        """Sends the visitor something. Raises Failed (H27) when nobody is there any more."""
        try:
            await self.side.send(event)
        except ConnectionError:
            self.status = 499
            raise Failed("H27", "Client Request Interrupted", 0, "warning") from None

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
