"""Carries programs out on a host: takes the lock, ships what they need, starts them detached, follows their journal.

A link that is lost on the way is made again and the journal read on from where it was; the program does not notice.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from chatops.errors import Locked, StepFailed, TargetError, Unhealthy, UnknownOutcome
from chatops.events import Event, Notice
from chatops.events import StepFailed as StepFailedEvent
from chatops.limits import LIMITS
from chatops.model import Lock
from chatops.program import Journal, failure, judge
from chatops.sanitize import sanitize
from chatops.targets.vps.client.cargo import Cargo, cargo
from chatops.targets.vps.client.holder import OVERTAKEN, Holder, Position, hold
from chatops.targets.vps.client.reach import Reach
from chatops.targets.vps.facts import Program


@dataclass(slots=True)
class _Course:
    """One program on its way: what it needs, what the host lacks of it, and how it goes."""

    program: Program
    part: int
    cargo: Cargo
    journal: Journal
    missing: set[str] = field(default_factory=set)
    failed: StepFailed | Unhealthy | None = None
    gone: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.gone or self.journal.code is not None


class Carrier:
    """Does the phases of a plan, and of the way back out of it, on one host; holds the host's lock until `release`."""

    def __init__(
        self, reach: Reach, what: str, who: str, redact: Callable[[str], str], patience: float = LIMITS.reattach
    ) -> None:
        """`patience`: how long a link that is lost is dialled again, in seconds."""
        self._reach = reach
        self._patience = patience
        self._lock = Lock(who, what, time.time())
        self._redact = redact
        self._run = secrets.token_hex(8)
        self._parts = 0
        self._positions: dict[tuple[str, str], Position] = {}
        self._holders: dict[tuple[str, str], Holder] = {}
        self._current: tuple[str, str] | None = None
        self._stop = False

    async def phase(self, program: Program) -> AsyncGenerator[Event, None]:
        """Carries one program out and gives its events.

        Raises Locked or TargetError where nothing was done, StepFailed, Unhealthy, Interrupted; UnknownOutcome when the link
        does not come back or the program was killed. Closed early, it leaves the program alone.
        """
        self._parts += 1
        carried = await asyncio.to_thread(cargo, program, self._run, self._parts)
        host = self._reach.host.address
        course = _Course(program, self._parts, carried, Journal(program.phase, program.titles, self._redact, time.time, host))
        self._current, self._stop = (program.user, str(program.state)), False
        ready = time.monotonic()
        while not course.over:
            try:
                holder = await self._holder(course)
                async with aclosing(self._follow(holder, course)) as events:
                    async for event in events:
                        yield event
            except TargetError as error:
                if not self._begun:
                    await self._forget()
                    raise
                ready = time.monotonic() if any(holder.ready for holder in self._holders.values()) else ready
                if time.monotonic() - ready > self._patience:  # a shell that ends each time is no link that is lost
                    await self._forget()
                    raise UnknownOutcome(error.message, "`chatops status` says how it is now") from None
                message = f"{error.message}; joining again, what was begun goes on there"
                yield Notice(time=time.time(), level="warning", message=message)
                await self._forget()
                await self._again()
                yield Notice(time=time.time(), message=f"the link to `{host}` is back")
            except (Locked, StepFailed, UnknownOutcome):
                await self._forget()
                raise
        judge(course.journal.code, course.failed)

    async def stop(self) -> None:
        """Asks the program that runs to end after its current step."""
        self._stop = True
        holder = self._holders.get(self._current) if self._current else None
        if holder and not holder.loading:
            await holder.order("stop")

    async def release(self) -> None:
        """Gives the lock back; a program that still runs keeps it."""
        holders, self._holders = self._holders, {}
        self._positions.clear()
        self._run, self._parts = secrets.token_hex(8), 0
        for holder in holders.values():
            await _given_back(holder)

    # ------------------------------------------------------------ the lock

    def _position(self, program: Program) -> Position:
        key = (program.user, str(program.state))
        place = (program.lock, program.state, program.user)
        return self._positions.setdefault(key, Position(self._run, self._lock, *place))

    @property
    def _begun(self) -> bool:
        return any(position.joined for position in self._positions.values())

    async def _holder(self, course: _Course) -> Holder:
        """The shell that holds the lock; one that is there already begins with the program at once.

        Where the last phase was another user's, its shell hands the lock over to the new one's, which waits for it.
        """
        position, key = self._position(course.program), (course.program.user, str(course.program.state))
        position.part, position.joined = course.part, self._begun
        if key in self._holders:
            await self._begin(self._holders[key], course)
            return self._holders[key]
        holder = await hold(await self._reach.link(), position)
        before, self._holders = list(self._holders.values()), {key: holder}
        for other in before:
            await _given_back(other, hand=True)
        return holder

    async def _forget(self) -> None:
        holders, self._holders = self._holders, {}
        for holder in holders.values():
            await holder.close()

    async def _again(self) -> None:
        """Waits until there is a link again. Raises UnknownOutcome when that takes too long."""
        end, tries = time.monotonic() + self._patience, 0
        while True:
            try:
                await self._reach.link()
                return
            except TargetError as error:
                tries += 1
                wait = random.uniform(0, min(5.0, 0.25 * 2**tries))  # noqa: S311  no secret
                if time.monotonic() + wait > end:
                    hint = "what was begun goes on there: `chatops attach` joins it, the same command again finishes it"
                    raise UnknownOutcome(f"{error.message}, for {self._patience:.0f} s", hint) from None
                await asyncio.sleep(wait)

    # ------------------------------------------------------------ the journal

    async def _follow(self, holder: Holder, course: _Course) -> AsyncGenerator[Event, None]:
        while not course.over:
            entry = await holder.entry()
            if entry is None:
                raise TargetError(sanitize(holder.errors) or f"the shell on `{self._reach.host.address}` has ended")
            if not await self._answered(holder, course, entry) and (event := course.journal.event(entry["raw"])):
                if isinstance(event, StepFailedEvent):
                    course.failed = failure(event, course.program.proofs)
                yield event

    async def _answered(self, holder: Holder, course: _Course, entry: dict[str, Any]) -> bool:
        """Does what the holding shell asks for; False: the entry is the program's own."""
        match entry.get("event"):
            case "held" if entry.get("run") != self._run:
                raise UnknownOutcome(OVERTAKEN, "`chatops status` says how it is now")
            case "held" | "joined":
                holder.ready = True
                await self._joined(holder, course, bool(entry.get("started")))
            case "missing" | "send" | "refused" if not holder.ready:
                pass
            case "missing":
                course.missing.add(str(entry.get("piece")))
            case "send":
                await _load(holder, course)
                await self._stopped(holder)
            case "refused":
                raise StepFailed(f"nothing was started: {sanitize(str(entry.get('message')))}", "is the disk full?")
            case "gone":
                course.gone = entry.get("part") == course.part
            case "phase":
                pass
            case _:
                return False
        return True

    async def _joined(self, holder: Holder, course: _Course, started: bool) -> None:
        if not started:
            await self._begin(holder, course)
        else:
            await self._stopped(holder)

    async def _begin(self, holder: Holder, course: _Course) -> None:
        """Where no archive is sent in pieces, the host can lack none of them: its answer is not waited for."""
        course.missing.clear()
        manifest, apart = course.cargo.manifest, bool(course.cargo.archives)
        load = b"" if apart else await asyncio.to_thread(course.cargo.load, ())
        order = f"carry {course.program.phase} {course.part} {len(manifest)}"
        await holder.order(order if apart else f"{order} {len(load)}", manifest + load, loading=apart)
        await self._stopped(holder)

    async def _stopped(self, holder: Holder) -> None:
        """Tells the host, if that was asked for while it could not be told."""
        if self._stop and not holder.loading:
            await holder.order("stop")


async def _given_back(holder: Holder, *, hand: bool = False) -> None:
    try:
        async with asyncio.timeout(LIMITS.answer):
            await holder.leave(hand=hand)
    except TimeoutError:
        await holder.close()


async def _load(holder: Holder, course: _Course) -> None:
    load = await asyncio.to_thread(course.cargo.load, course.missing)
    await holder.order(f"load {len(load)}", load)
