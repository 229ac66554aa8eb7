"""One SSH connection to a host: the only door. Scripts go in over standard input; bounded answers or endless lines come out."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatops.errors import TargetError
from chatops.frozen import frozen
from chatops.limits import LIMITS
from chatops.streams import from_thread
from chatops.targets.vps.client import keys
from chatops.targets.vps.client.address import HostAddress, resolve
from chatops.targets.vps.client.blocking import blocking
from chatops.targets.vps.client.channel import Channel, Opening, command, new_mark, quietly

if TYPE_CHECKING:
    from chatops.targets.vps.client.connect import Dial

TRIES = 4
"""How often a host that drops us while it greets is dialled."""
BEAT = 3.0
"""Seconds between two questions whether the host is still there."""
PATIENCE = 5.0
"""How long nothing may come back, in seconds. A frozen link is noticed within BEAT + PATIENCE."""
LINE = 8 << 20
"""Longest line of a script's output, in bytes."""


@frozen
class Answer:
    """How a script ended; `code` -1: a signal ended it. `err` keeps its last 64 KiB."""

    code: int
    out: bytes
    err: bytes


class Link:
    """A host we are logged in to. Every method raises TargetError when the host can't be reached or is lost."""

    def __init__(self, host: HostAddress, dial: Dial, connection: Any) -> None:
        self.host = host
        self._dial = dial
        self._transport = connection.transport
        self._moved = time.monotonic()
        self._reason = "the connection was closed"
        self._watch = asyncio.create_task(self._watchdog())

    @classmethod
    async def open(cls, host: HostAddress, ask: keys.Ask | None = None, folder: Path | None = None) -> Link:
        """Connects, judges the host's key, logs in. `folder` keeps the keys that `ask` accepted (None: the user's own)."""
        host = host if host.hostname else await resolve(host)
        try:
            return await cls._open(host, await keys.known(host, folder))
        except keys.Unknown as unknown:
            await keys.accept(host, unknown, ask, folder)
        return await cls._open(host, await keys.known(host, folder))

    @classmethod
    async def _open(cls, host: HostAddress, known: keys.Known) -> Link:
        """A host with several keys shows one at a time: pins are held against each kind before it is refused."""
        without: frozenset[str] = frozenset()
        first: keys.Refused | None = None
        while True:
            try:
                return await cls._dialled(host, known, without)
            except keys.Refused as refused:
                first = first or refused
                without |= {refused.key.kind}
                if not known.pins or refused.key.kind not in keys.KINDS or len(without) == len(keys.KINDS):
                    raise first from None
            except TargetError:
                if first is None:
                    raise
                raise first from None

    @classmethod
    async def _dialled(cls, host: HostAddress, known: keys.Known, without: frozenset[str]) -> Link:
        from chatops.targets.vps.client import connect, faults

        try:
            async with asyncio.timeout(LIMITS.connect):
                for tries in itertools.count(1):
                    dial = connect.Dial(host, known, without)
                    try:
                        return cls(host, dial, await blocking(dial.make, dial.abort))
                    except faults.ERRORS as error:
                        dial.abort()
                        if tries == TRIES or not faults.shed(error):
                            raise
                    except BaseException:
                        dial.abort()
                        raise
                    await asyncio.sleep(connect.pause(tries))
        except faults.ERRORS as error:
            raise faults.told(host, dial.fault(error)) from None
        raise AssertionError("a dial ends in a link or an error")

    # ------------------------------------------------------------ is it still there?

    async def _watchdog(self) -> None:
        """paramiko's own keep-alives ask for no reply (its issue 918): ours do, and end the connection without one."""
        async with aclosing(from_thread(self._beats(), self._dial.abort)) as beats:
            while await self._beat(beats):
                pass

    def _beats(self) -> Iterator[bool]:
        while self._transport.active:
            self._transport.join(BEAT)
            quietly(lambda: self._transport.global_request("keepalive@openssh.com", wait=True))
            yield bool(self._transport.active)

    async def _beat(self, beats: AsyncGenerator[bool]) -> bool:
        asked = time.monotonic() + BEAT
        answer = asyncio.ensure_future(anext(beats, False))
        try:
            while not answer.done():
                await asyncio.wait([answer], timeout=PATIENCE / 10)
                if not answer.done() and time.monotonic() > max(asked, self._moved) + PATIENCE:
                    self._reason = f"no answer for {PATIENCE:.0f} s"
                    return False
            return answer.result()
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)

    @property
    def alive(self) -> bool:
        """Whether it was there a moment ago."""
        return bool(self._transport.active)

    def lost(self) -> TargetError | None:
        """What became of it, when it is not there any more."""
        if self._transport.active:
            return None
        return TargetError(f"the link to `{self.host.address}` is lost: {self._reason}", "run the same command again")

    # ------------------------------------------------------------ what it can do

    @asynccontextmanager
    async def channel(self, text: str, *, user: str = "", limit: float | None = None) -> AsyncIterator[Channel]:
        """Runs `text` on a channel of its own, closed at the end of the block."""
        script, mark = text.encode(), new_mark()
        raw = await self.begin(command(script, mark, user, limit), script)
        channel = Channel(raw, mark, self.lost, self._progress)
        try:
            yield channel
        finally:
            channel.close()

    async def begin(self, line: str, script: bytes = b"", terminal: tuple[str, int, int] | None = None) -> Any:
        """A channel of paramiko's on which `line` runs and was given `script`; `terminal`: its kind, columns and rows."""
        from chatops.targets.vps.client import faults

        opening = Opening(lambda: self._transport.open_session(timeout=LIMITS.connect))
        try:
            return await blocking(lambda: opening.begin(line, script, terminal), opening.abort)
        except faults.ERRORS as error:
            raise self.lost() or faults.told(self.host, error) from None

    def _progress(self) -> None:
        self._moved = time.monotonic()

    async def script(
        self,
        text: str,
        *,
        stdin: bytes | Iterable[bytes] = b"",
        limit: float = LIMITS.inspect,
        user: str = "",
        most: int = 4 << 20,
    ) -> Answer:
        """Runs POSIX sh `text` (never seen in a process list) with `stdin`, as `user` ("": who logs in; needs root or sudo).

        More than `most` bytes of output, or no end within `limit` seconds, is an error.
        """
        try:
            async with asyncio.timeout(limit), self.channel(text, user=user, limit=limit) as channel:
                return await _exchange(channel, stdin, most)
        except TimeoutError:
            raise self.lost() or TargetError(
                f"`{self.host.address}` did not answer within {limit:.0f} s", "is it overloaded?"
            ) from None

    async def lines(self, text: str, *, limit: float | None = None, user: str = "") -> AsyncGenerator[bytes]:
        """The lines that `text` prints, as they come; held back while nobody takes them. Close it (`aclosing`) to end it."""
        async with self.channel(text, user=user, limit=limit) as channel, aclosing(split(channel.read())) as lines:
            async for line in lines:
                yield line

    async def close(self) -> None:
        """Hangs up."""
        self._reason = "we hung up"
        self._dial.abort()
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)


async def _exchange(channel: Channel, stdin: bytes | Iterable[bytes], most: int) -> Answer:
    out = bytearray()
    feeding = asyncio.create_task(_feed(channel, stdin))
    try:
        async with aclosing(channel.read()) as chunks:
            async for chunk in chunks:
                out += chunk
                if len(out) > most:
                    raise TargetError(f"a script printed more than {most} bytes")
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
    return Answer(channel.code, bytes(out), channel.errors)


async def _feed(channel: Channel, stdin: bytes | Iterable[bytes]) -> None:
    if stdin:
        await channel.send(stdin)
    await channel.end()


async def split(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Chunks as lines without their newlines; the last needs none. Raises TargetError for an endless one."""
    rest = b""
    async with aclosing(chunks):
        async for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line
            if len(rest) > LINE:
                raise TargetError("a line of output has no end")
    if rest:
        yield rest
