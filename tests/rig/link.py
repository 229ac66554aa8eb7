"""A network link to put between the tool and a server: slow, counted, and broken on demand."""

import asyncio
import contextlib
import functools
import types
from collections.abc import Mapping
from dataclasses import replace

from tests.rig.loop import Loop
from tests.rig.wire import Gate, Traffic, Wire, reset


class Link:
    """Forwards `routes` (port here -> port there; 0: any free port) from `listen` to `target`, each way `delay` seconds late.

    Connecting costs one round trip. A `with` block starts and ends it; its methods may be called from any thread.
    """

    def __init__(self, target: str, routes: Mapping[int, int], listen: str = "127.0.0.1", delay: float = 0.0) -> None:
        self.target, self.routes, self.address = target, routes, listen
        self.ports: dict[int, int] = {}
        self._gate = Gate(delay)
        self._wires: set[Wire] = set()
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> "Link":
        self._loop = Loop()
        self._loop.call(self._open())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: types.TracebackType | None) -> None:
        self._loop.call(self._close())
        self._loop.close()

    @property
    def port(self) -> int:
        """The port here that leads to port 22 there, or to the only one."""
        return self.ports.get(22) or next(iter(self.ports.values()))

    @property
    def traffic(self) -> Traffic:
        """What went over it so far; the difference of two answers is what happened between them."""
        return replace(self._gate.traffic)

    @property
    def live(self) -> int:
        """How many connections are open."""
        return len(self._wires)

    def cut(self) -> None:
        """Reset every connection, and each new one, until `resume`."""
        self._loop.call(self._set(cut=True, flowing=True))

    def freeze(self) -> None:
        """Pass nothing on and say nothing: connections stay open, new ones are accepted; `resume` lets all of it through."""
        self._loop.call(self._set(cut=False, flowing=False))

    def resume(self) -> None:
        """End a cut or a freeze."""
        self._loop.call(self._set(cut=False, flowing=True))

    def delayed(self, seconds: float) -> None:
        """Change the delay of each way, for what is sent from now on."""
        self._gate.delay = seconds

    async def _set(self, *, cut: bool, flowing: bool) -> None:
        self._gate.cut = cut
        if cut:
            self._reset_all()
        if flowing:
            self._gate.flowing.set()
        else:
            self._gate.flowing.clear()

    async def _open(self) -> None:
        self._gate.flowing.set()
        for here, there in self.routes.items():
            server = await asyncio.start_server(functools.partial(self._serve, there), self.address, here)
            self._servers.append(server)
            self.ports[there] = server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        self._reset_all()

    async def _serve(self, there: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its accept on; only the end of the link cancels it, which asyncio need not report."""
        try:
            await self._gate.dialled()
            far = await asyncio.open_connection(self.target, there)
        except (OSError, asyncio.CancelledError):
            reset(writer)
            return
        with contextlib.suppress(asyncio.CancelledError):
            await self._carry(Wire(self._gate, (reader, writer), far))

    async def _carry(self, wire: Wire) -> None:
        self._wires.add(wire)
        try:
            await wire.carry()
        finally:
            self._wires.discard(wire)

    def _reset_all(self) -> None:
        for wire in list(self._wires):
            wire.reset()
