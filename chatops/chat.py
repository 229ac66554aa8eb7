"""One chat client as users have them: resumes by `seq`, resends what was not acknowledged, moves over before a drain."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

    from websockets.asyncio.client import ClientConnection

OPEN_LIMIT = 5.0
BACKOFF = (0.05, 2.0)


@dataclass(slots=True)
class Tally:
    """What clients of one room sent and saw. Times in seconds."""

    sent: dict[str, float] = field(default_factory=dict)
    acked: dict[str, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    reconnects: int = 0
    doubled: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Client:
    """A chat client that stays in `room`; several share a tally."""

    url: str
    room: str
    name: str
    tally: Tally
    trust: ssl.SSLContext | None = None
    last: int | None = None
    seen: dict[str, int] = field(default_factory=dict)
    welcomed: asyncio.Event = field(default_factory=asyncio.Event)
    refused: str = ""
    _pending: dict[str, str] = field(default_factory=dict)
    _repeating: set[asyncio.Task[None]] = field(default_factory=set)
    _socket: ClientConnection | None = None

    async def stay(self) -> None:
        """Connects and reconnects until it is cancelled; then it says goodbye."""
        delay = BACKOFF[0]
        try:
            while not self.refused:
                if await self._visit():
                    delay = BACKOFF[0]
                await asyncio.sleep(random.uniform(0, delay))  # noqa: S311  jitter
                delay = min(BACKOFF[1], delay * 2)
                self.tally.reconnects += 1
        finally:
            for task in self._repeating:
                task.cancel()
            if self._socket:
                await self._socket.close()

    async def _visit(self) -> bool:
        """One connection and, where the server asks for it, those that follow it without a break."""
        socket = await self._open()
        while socket:
            self._socket = socket
            later = await self._listen(socket)
            following = await self._follow(socket, later) if later is not None else None
            self._socket = following or self._socket
            await socket.close()
            socket = following
        return self.welcomed.is_set()

    async def _open(self) -> ClientConnection | None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        try:
            async with asyncio.timeout(OPEN_LIMIT):
                socket = await connect(
                    self.url,
                    ssl=self.trust,
                    compression=None,
                    ping_interval=None,
                    close_timeout=1,
                    max_queue=None,
                    proxy=None,
                )
                await socket.send(json.dumps({"type": "hello", "name": self.name, "rooms": {self.room: self.last}}))
                return socket
        except (OSError, TimeoutError, WebSocketException):
            return None

    async def _listen(self, socket: ClientConnection) -> float | None:
        """Takes frames until the connection ends (None), or until the server drains: then the seconds to wait."""
        async for frame in _frames(socket):
            kind = frame.get("type")
            if kind == "drain":
                return float(frame.get("reconnect_in_ms", 0)) / 1000
            await self._take(socket, kind, frame)
            if self.refused:
                return None
        return None

    async def _take(self, socket: ClientConnection, kind: Any, frame: dict[str, Any]) -> None:
        if kind == "history":
            for message in frame.get("messages", []):
                self._see(message)
            self.welcomed.set()
            for cid, text in list(self._pending.items()):
                await self._write(socket, cid, text)
        elif kind == "message":
            self._see(frame)
        elif kind == "ack":
            self._acknowledged(str(frame.get("cid")), int(frame.get("seq", 0)))
        elif kind == "error" and frame.get("code") == "unauthorized":
            self.refused = "unauthorized"
        elif kind == "error" and isinstance(later := frame.get("retry_after_ms"), int | float):
            self._repeat(str(frame.get("cid")), later / 1000)

    async def _follow(self, old: ClientConnection, later: float) -> ClientConnection | None:
        """Make before break: the old connection is listened to until the new one has told the history."""
        reading = asyncio.create_task(self._drain(old))
        try:
            await asyncio.sleep(later)
            return await self._open()
        finally:
            # What the old connection still brings is brought again by the new one's history.
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _drain(self, old: ClientConnection) -> None:
        async for frame in _frames(old):
            await self._take(old, frame.get("type"), frame)

    async def say(self, text: str) -> str:
        """Sends a message, now or as soon as there is a connection; gives its `cid`."""
        cid = str(uuid.uuid4())
        self.tally.sent[cid] = time.monotonic()
        self._pending[cid] = text
        if self._socket and self.welcomed.is_set():
            await self._write(self._socket, cid, text)
        return cid

    def _repeat(self, cid: str, later: float) -> None:
        """Says again what could not be taken now, as the server asks for: after `later` seconds."""

        async def repeat() -> None:
            await asyncio.sleep(later)
            if self._socket and cid in self._pending:
                await self._write(self._socket, cid, self._pending[cid])

        task = asyncio.create_task(repeat())
        self._repeating.add(task)
        task.add_done_callback(self._repeating.discard)

    async def _write(self, socket: ClientConnection, cid: str, text: str) -> None:
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):
            await socket.send(json.dumps({"type": "send", "room": self.room, "text": text, "cid": cid}))

    def _acknowledged(self, cid: str, seq: int) -> None:
        if self._pending.pop(cid, None) is not None:
            self.tally.acked[cid] = seq
            self.tally.latencies.append(time.monotonic() - self.tally.sent[cid])

    def _see(self, message: dict[str, Any]) -> None:
        """Counts what comes twice to somebody who drops what he has seen already, as every client does."""
        seq, cid = int(message.get("seq", 0)), str(message.get("cid"))
        if self.last is not None and seq <= self.last:
            return
        self.last = seq
        self.tally.arrived.set()
        if self.seen.setdefault(cid, seq) != seq:
            self.tally.doubled += 1

    def missing(self) -> set[str]:
        """Messages of the room that were sent and that this client has not seen."""
        return set(self.tally.sent) - set(self.seen)


async def _frames(socket: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        async for text in socket:
            with suppress(ValueError):
                frame = json.loads(text)
                if isinstance(frame, dict):
                    yield frame
