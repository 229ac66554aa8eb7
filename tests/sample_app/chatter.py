"""Chat clients for the tests: a bare one that shows frames, and one that survives whatever happens, as the page does."""

import asyncio
import contextlib
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

Frame = dict[str, Any]
PATIENCE = 10.0


class Line:
    """One connection: sends frames, and waits for frames of a kind."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def say(self, text: str, room: str = "lobby", cid: str | None = None) -> str:
        cid = cid or str(uuid.uuid4())
        await self.send(type="send", room=room, text=text, cid=cid)
        return cid

    async def next(self, *kinds: str) -> Frame:
        """The next frame, or the next one of `kinds`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                frame: Frame = json.loads(await self.connection.recv())
                if not kinds or frame["type"] in kinds:
                    return frame

    async def closed(self) -> int | None:
        """Wait for the end of the connection: its close code."""
        async with asyncio.timeout(PATIENCE):
            await self.connection.wait_closed()
        return self.connection.close_code


@contextlib.asynccontextmanager
async def connect(path: Path, **options: Any) -> AsyncIterator[Line]:
    """A connection that has not said hello; it reads on even when nobody asks for frames."""
    async with unix_connect(str(path), "ws://localhost/ws", compression=None, max_queue=None, **options) as connection:
        yield Line(connection)


@contextlib.asynccontextmanager
async def join(
    path: Path, name: str = "ana", after: int | None = None, room: str = "lobby", **options: Any
) -> AsyncIterator[Line]:
    """A connection that has joined a room and seen its history."""
    async with connect(path, **options) as line:
        await line.send(type="hello", name=name, rooms={room: after})
        await line.next("presence")
        yield line


class Chatter:
    """A client that reconnects, resumes and resends until all it said is acknowledged."""

    def __init__(self, name: str, paths: Callable[[], list[Path]], room: str = "lobby") -> None:
        self.name, self.paths, self.room = name, paths, room
        self.seen: list[int] = []
        self.texts: list[str] = []
        self.outbox: dict[str, str] = {}
        self.faults: list[str] = []
        self.connections = 0
        self.ready = asyncio.Event()
        self._progress = asyncio.Event()
        self._connection: ClientConnection | None = None

    @property
    def last(self) -> int:
        return self.seen[-1] if self.seen else 0

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            with contextlib.suppress(OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, TimeoutError, EOFError):
                await self._session()
            self._connection = None
            self.ready.clear()
            await asyncio.sleep(random.uniform(0.02, 0.2))  # noqa: S311

    async def say(self, text: str) -> None:
        cid = str(uuid.uuid4())
        self.outbox[cid] = text
        await self._deliver(cid)

    async def caught_up(self, last: int) -> None:
        """Wait until all is acknowledged and everything up to `last` is seen."""
        while self.outbox or self.last < last:
            self._progress.clear()
            await self._progress.wait()

    async def _session(self) -> None:
        path = random.choice(self.paths())  # noqa: S311
        async with unix_connect(str(path), "ws://localhost/ws", compression=None, open_timeout=5) as connection:
            self.connections += 1
            await connection.send(json.dumps({"type": "hello", "name": self.name, "rooms": {self.room: self.last}}))
            async for data in connection:
                await self._take(json.loads(data), connection)
                self._progress.set()

    async def _take(self, frame: Frame, connection: ClientConnection) -> None:
        match frame["type"]:
            case "history":
                await self._resume(frame, connection)
            case "message":
                self._see(frame)
            case "ack":
                self.outbox.pop(frame["cid"], None)
            case "drain":
                self._later(frame["reconnect_in_ms"], connection.close())
            case "error" if frame["code"] in ("unavailable", "rate_limited") and "cid" in frame:
                self._later(frame["retry_after_ms"], self._deliver(frame["cid"]))

    async def _resume(self, frame: Frame, connection: ClientConnection) -> None:
        if frame["reset"]:
            self.faults.append("reset")
        for message in frame["messages"]:
            self._see(message)
        self._connection = connection
        self.ready.set()
        for cid in list(self.outbox):
            await self._deliver(cid)

    def _see(self, message: Frame) -> None:
        if message["seq"] != self.last + 1:
            self.faults.append(f"{message['seq']} after {self.last}")
        self.seen.append(message["seq"])
        self.texts.append(message["text"])

    async def _deliver(self, cid: str) -> None:
        if self._connection and cid in self.outbox:
            frame = {"type": "send", "room": self.room, "text": self.outbox[cid], "cid": cid}
            with contextlib.suppress(ConnectionClosed):
                await self._connection.send(json.dumps(frame))

    def _later(self, milliseconds: int, act: Any) -> None:
        async def wait() -> None:
            await asyncio.sleep(milliseconds / 1000)
            await act

        self._pending = asyncio.ensure_future(wait())


@contextlib.asynccontextmanager
async def chatters(count: int, paths: Callable[[], list[Path]], room: str = "lobby") -> AsyncIterator[list[Chatter]]:
    """`count` clients that stay connected; all have joined once."""
    crowd = [Chatter(f"user{number}", paths, room) for number in range(count)]
    running = [asyncio.create_task(chatter.run()) for chatter in crowd]
    try:
        await asyncio.gather(*(chatter.ready.wait() for chatter in crowd))
        yield crowd
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def converse(crowd: list[Chatter], messages: int, pause: float) -> None:
    """Every chatter says `messages` texts, `pause` seconds apart."""

    async def talk(chatter: Chatter) -> None:
        for number in range(messages):
            await chatter.say(f"{chatter.name} {number}")
            await asyncio.sleep(pause)

    await asyncio.gather(*(talk(chatter) for chatter in crowd))


async def check_dense(crowd: list[Chatter], count: int, seconds: float = 30) -> None:
    """Everyone ends with exactly 1..count in order, each text once, and each sender's texts all there."""
    async with asyncio.timeout(seconds):
        await asyncio.gather(*(chatter.caught_up(count) for chatter in crowd))
    for chatter in crowd:
        assert not chatter.faults, chatter.faults
        assert chatter.seen == list(range(1, count + 1))
        assert len(set(chatter.texts)) == count
