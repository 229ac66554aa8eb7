"""One connection over a link: two ways, each late, counted, and held up while the link is frozen."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field

CHUNK = 1 << 16
IN_FLIGHT = 1024
RESET = struct.pack("ii", 1, 0)
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Traffic:
    """What went over a link: `up` are bytes to the server; a turn is a change of direction within one connection."""

    connections: int = 0
    up: int = 0
    down: int = 0
    turns: int = 0

    @property
    def round_trips(self) -> float:
        return self.turns / 2


@dataclass
class Gate:
    """What all connections of one link share; `delay` is in seconds, each way."""

    delay: float = 0.0
    traffic: Traffic = field(default_factory=Traffic)
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    cut: bool = False

    async def dialled(self) -> None:
        """Return after the time that connecting takes. Raises ConnectionResetError while the link is cut."""
        self.traffic.connections += 1
        await asyncio.sleep(2 * self.delay)
        await self.flowing.wait()
        if self.cut:
            raise ConnectionResetError


@dataclass(eq=False)
class Wire:
    """One connection between a client (`near`) and the server (`far`)."""

    gate: Gate
    near: Ends
    far: Ends
    _last: str = ""

    async def carry(self) -> None:
        """Pass on both ways until both have ended; what resets one end resets the other."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._one_way("up", self.near[0], self.far[1]))
                both.create_task(self._one_way("down", self.far[0], self.near[1]))
        except* OSError:
            self.reset()
        finally:
            self.near[1].close()
            self.far[1].close()

    def reset(self) -> None:
        """Break both ends off, as a lost host does."""
        reset(self.near[1])
        reset(self.far[1])

    async def _one_way(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flight: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(IN_FLIGHT)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(self._take(way, reader, flight))
            ends.create_task(self._give(flight, writer))

    async def _take(self, way: str, reader: asyncio.StreamReader, flight: asyncio.Queue[tuple[float, bytes]]) -> None:
        """Read on until the end, which travels as an empty chunk."""
        chunk = b"-"
        while chunk:
            chunk = await reader.read(CHUNK)
            self._count(way, len(chunk))
            await flight.put((asyncio.get_running_loop().time() + self.gate.delay, chunk))

    async def _give(self, flight: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, chunk = await flight.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await self.gate.flowing.wait()
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    def _count(self, way: str, size: int) -> None:
        traffic = self.gate.traffic
        if size and self._last not in ("", way):
            traffic.turns += 1
        if size:
            self._last = way
        setattr(traffic, way, getattr(traffic, way) + size)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
