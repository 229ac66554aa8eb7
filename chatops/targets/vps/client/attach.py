"""Joins a change that runs on a host, whoever began it, from its first event, and tells how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from chatops import program
from chatops.errors import ChatopsError, TargetError, Unhealthy, UnknownOutcome
from chatops.events import Event, StepFailed
from chatops.shell import assign
from chatops.targets.vps.client.link import Link

_SCRIPT = Path(__file__).with_name("attach.sh")


@dataclass(frozen=True, slots=True)
class _Head:
    """What a journal says of a phase where it begins."""

    phase: str
    goal: str
    left: tuple[str, ...]
    proofs: frozenset[str]
    titles: dict[str, str]


@dataclass(slots=True)
class _Course:
    """The change as its journal tells it, phase after phase."""

    redact: Callable[[str], str]
    host: str
    heads: list[_Head] = field(default_factory=list)
    journal: program.Journal | None = None
    error: ChatopsError | None = None

    def begin(self, head: _Head) -> None:
        """The phase before has ended; what went wrong first counts."""
        self._judge()
        self.heads.append(head)
        self.journal = program.Journal(head.phase, head.titles, self.redact, time.time, self.host)

    def event(self, line: bytes) -> Event | None:
        """The event of a line."""
        event = self.journal.event(line) if self.journal else None
        if isinstance(event, StepFailed):
            self.error = self.error or program.failure(event, self.heads[-1].proofs)
        return event

    def end(self) -> None:
        """Raises what the change ended with, where that is not what it was meant to reach."""
        self._judge()
        if self.error:
            raise self.error
        if not self.heads:
            raise UnknownOutcome("the change ended before it began anything", "run the same command again")
        first, last = self.heads[0], self.heads[-1]
        if last.goal != first.goal:
            raise Unhealthy("the new release did not prove itself: what served before serves again")
        if last.left:
            message = f"the change ended after `{last.phase}`: `{last.left[0]}` was never begun, nobody leads it any more"
            raise UnknownOutcome(message, "what is there serves; run the same command again, it finishes the change")

    def _judge(self) -> None:
        try:
            if self.journal:
                program.judge(self.journal.code, None)
        except ChatopsError as error:
            self.error = self.error or error


async def join(
    link: Link, lock: PurePosixPath, states: Sequence[PurePosixPath], user: str, redact: Callable[[str], str]
) -> AsyncGenerator[Event, None]:
    """The events until the lock is free; `states` are the folders whose journals may be of the change.

    Raises TargetError when nothing is being changed and when the link is lost; StepFailed, Unhealthy, Interrupted or
    UnknownOutcome as the change ended.
    """
    course = _Course(redact, link.host.address)
    given = {"lock": lock, "journals": " ".join(str(state / "journal.ndjson") for state in states)}
    text = "\n".join([*(assign(name, value) for name, value in given.items()), _SCRIPT.read_text()])
    async with aclosing(link.lines(text, user=user)) as lines:
        async for line in lines:
            if line == b"idle":
                raise TargetError(f"nothing is being changed on `{course.host}`", "`chatops status` shows what is there")
            if head := _head(line):
                course.begin(head)
            elif _told(line) and (event := course.event(line)):
                yield event
    course.end()


def _told(line: bytes) -> bool:
    """Whether the program wrote the line, not the shell that holds the lock."""
    return line.startswith((b'{"time":', b'{"event":"output"'))


def _head(line: bytes) -> _Head | None:
    if not line.startswith(b'{"event":"phase"'):
        return None
    try:
        value = json.loads(line)
        titles = {str(name): str(title) for name, title in value["titles"].items()}
        return _Head(str(value["phase"]), str(value["goal"]), tuple(value["left"]), frozenset(value["proofs"]), titles)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
