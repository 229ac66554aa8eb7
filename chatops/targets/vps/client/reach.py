"""Links to many hosts, and one that is dialled again when it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from chatops.errors import TargetError
from chatops.targets.vps.client.address import HostAddress, resolve
from chatops.targets.vps.client.keys import Ask
from chatops.targets.vps.client.link import Link

AT_ONCE = 20
"""How many hosts are dialled at the same time."""


class Reach:
    """A host whose link is there when it is asked for; `host` is complete (`resolve`) once it was."""

    def __init__(self, host: HostAddress, ask: Ask | None = None, folder: Path | None = None) -> None:
        self.host = host
        self._ask = ask
        self._folder = folder
        self._link: Link | None = None
        self._turn = asyncio.Lock()

    async def link(self) -> Link:
        """The link, dialled at the first call and after a loss. Raises TargetError."""
        async with self._turn:
            if self._link is None or not self._link.alive:
                await self._hang_up()
                self.host = self.host if self.host.hostname else await resolve(self.host)
                self._link = await Link.open(self.host, self._ask, self._folder)
            return self._link

    async def close(self) -> None:
        """Hangs up."""
        async with self._turn:
            await self._hang_up()

    async def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()


async def dial(reaches: Sequence[Reach]) -> list[TargetError | None]:
    """Links to every host at once; what is wrong with each, in the order of `reaches`."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(reach: Reach) -> TargetError | None:
        async with turn:
            try:
                await reach.link()
            except TargetError as error:
                return error
        return None

    return list(await asyncio.gather(*(one(reach) for reach in reaches)))
