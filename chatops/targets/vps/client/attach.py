"""Joins a change that runs on a host, whoever began it, from its first event, and tells how it ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path, PurePosixPath

from chatops.attached import Course, Head
from chatops.errors import ChatopsError, TargetError
from chatops.events import Event
from chatops.shell import assign
from chatops.streams import merge
from chatops.targets.vps.client.fleet import collected
from chatops.targets.vps.client.link import Link

_SCRIPT = Path(__file__).with_name("attach.sh")


async def join(
    link: Link, lock: PurePosixPath, states: Sequence[PurePosixPath], user: str, redact: Callable[[str], str]
) -> AsyncGenerator[Event, None]:
    """The events until the lock is free; `states` are the folders whose journals may be of the change.

    Raises TargetError when nothing is being changed and when the link is lost; StepFailed, Unhealthy, Interrupted or
    UnknownOutcome as the change ended.
    """
    course = Course(redact, link.host.address)
    given = {"lock": lock, "journals": " ".join(str(state / "journal.ndjson") for state in states)}
    text = "\n".join([*(assign(name, value) for name, value in given.items()), _SCRIPT.read_text()])
    async with aclosing(link.lines(text, user=user)) as lines, aclosing(in_turn(lines, course)) as ordered:
        async for line in ordered:
            if line == b"idle":
                raise TargetError(f"nothing is being changed on `{course.host}`", "`chatops status` shows what is there")
            if head := Head.read(line):
                course.begin(head)
            elif _told(line) and (event := course.event(line)):
                yield event
    course.end()


async def everywhere(parts: Iterable[AsyncGenerator[Event, None]]) -> AsyncGenerator[Event, None]:
    """A change on several hosts as one. Raises, when all have ended, the gravest of how they did."""
    ends: list[ChatopsError] = []
    async with aclosing(merge(*(collected(part, ends) for part in parts))) as events:
        async for event in events:
            yield event
    if ends:
        raise max(ends, key=lambda error: error.exit_code)


async def in_turn(lines: AsyncGenerator[bytes], course: Course) -> AsyncGenerator[bytes]:
    """Lines without the names of their journals: those of one wait until the phase that the other tells of has ended."""
    current, other = b"", b""
    waiting: list[bytes] = []
    async for named in lines:
        name, _, line = named.partition(b" ")
        if line and name != current and course.runs:
            other, waiting = name, [*waiting, line]
            continue
        current = name if line else current
        yield line or name
        if waiting and not course.runs:
            current, held, waiting = other, waiting, []
            for line in held:
                yield line
    for line in waiting:
        yield line


def _told(line: bytes) -> bool:
    """Whether the program wrote the line, not the shell that holds the lock."""
    return line.startswith((b'{"time":', b'{"event":"output"', b'{"event":"notice"'))
