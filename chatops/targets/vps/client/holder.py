"""The shell on a host that holds the lock for us: orders go in over one channel, the journal comes out of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from chatops.errors import ChatopsError, TargetError, UnknownOutcome
from chatops.model import Lock
from chatops.program import locked
from chatops.sanitize import sanitize
from chatops.shell import assign
from chatops.targets.vps.client.channel import Channel
from chatops.targets.vps.client.deployed import lock
from chatops.targets.vps.client.link import Link, split

_SCRIPT = Path(__file__).with_name("carry.sh")
BEAT = 3.0
"""Seconds between two signs of life; the host waits 10 s for one: 2 s longer than we take to notice that the link is frozen."""
OVERTAKEN = "somebody else has changed the target since the link was lost"
ORDER = 48
"""Every order has this many bytes: the host takes exactly one at a time."""


@dataclass(slots=True)
class Position:
    """Where one user is in the journal of one run on one host: bytes read, and the number of the phase that is carried out."""

    run: str
    holder: Lock
    lock: PurePosixPath
    state: PurePosixPath
    user: str
    part: int = 0
    offset: int = 0
    joined: bool = False
    """Whether the run has held the lock already, as this user or as another."""


class Holder:
    """One such shell. Made by `hold`; ends with `leave` or `close`."""

    def __init__(self, channel: Channel, position: Position, stack: AsyncExitStack) -> None:
        self._channel = channel
        self._position = position
        self._stack = stack
        self._lines: AsyncGenerator[bytes] = split(channel.read())
        self._turn = asyncio.Lock()
        self.ready = False
        """Whether it holds the lock; what the journal says before that was said to somebody else, or before a loss."""
        self.loading = False
        """Whether the host waits for a load: it takes nothing else then."""
        self._beating = asyncio.create_task(self._beats())

    async def order(self, text: str, more: bytes = b"", *, loading: bool = False) -> None:
        """Sends one order, and what belongs to it; `loading`: the host waits for the rest of it then."""
        async with self._turn:
            self.loading = loading
            await self._channel.send(_order(text) + more)

    async def entry(self) -> dict[str, Any] | None:
        """The next entry of the journal, with its text under `raw`; None at the end.

        Raises Locked, UnknownOutcome when somebody else has taken over, and TargetError when the link is lost.
        """
        line = await anext(self._lines, None)
        if line is None:
            return None
        if not line.startswith(b"{"):
            raise _refused(line)
        self._position.joined = True
        self._position.offset += len(line) + 1
        with suppress(ValueError):
            value = json.loads(line.decode("utf-8", "backslashreplace"))
            return {**value, "raw": line}
        return {"raw": line}

    async def leave(self, *, hand: bool = False) -> None:
        """Gives the lock back, and returns when it is free; `hand`: to who of this run waits for it, and to nobody else."""
        await self.order("hand" if hand else "leave")
        with suppress(TargetError):
            while await anext(self._lines, None) is not None:
                pass
        await self.close()

    async def close(self) -> None:
        """Lets go of the channel; a program that runs goes on."""
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        await self._lines.aclose()
        await self._stack.aclose()

    @property
    def errors(self) -> str:
        """What the shell said before it ended."""
        return self._channel.errors.decode("utf-8", "replace").strip().rpartition("\n")[2]

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            async with self._turn:
                if not self.loading:
                    await self._channel.send(_order("beat"))


def _order(text: str) -> bytes:
    return f"{text:<{ORDER - 1}}\n".encode()


def _refused(line: bytes) -> ChatopsError:
    """What stands where the journal should begin, when the lock is not ours."""
    first, _, rest = line.partition(b" ")
    if first == b"locked":
        return locked(lock([rest.decode("utf-8", "replace")]) or Lock("somebody", "a change", time.time()))
    if first == b"other":
        return UnknownOutcome(OVERTAKEN, "`chatops status` says how it is now")
    return TargetError(f"the host says {sanitize(line[:200].decode('utf-8', 'replace'))!r}")


async def hold(link: Link, position: Position) -> Holder:
    """Takes the lock, or after a loss takes up where we were."""
    holder = {"who": position.holder.who, "what": position.holder.what, "since": position.holder.since, "run": position.run}
    given = {
        "state": position.state,
        "lock": position.lock,
        "run": position.run,
        "holder": json.dumps(holder),
        "again": "yes" if position.joined else "",
        "part": position.part,
        "offset": position.offset,
    }
    text = "\n".join([*(assign(name, value) for name, value in given.items()), _SCRIPT.read_text()])
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(link.channel(text, user=position.user))
        return Holder(channel, position, stack.pop_all())
