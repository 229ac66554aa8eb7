"""Joins a change that runs on a host, whoever began it, from its first event, and tells how it ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path, PurePosixPath

from chatops.attached import Course, Head
from chatops.errors import TargetError
from chatops.events import Event
from chatops.shell import assign
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
    async with aclosing(link.lines(text, user=user)) as lines:
        async for line in lines:
            if line == b"idle":
                raise TargetError(f"nothing is being changed on `{course.host}`", "`chatops status` shows what is there")
            if head := Head.read(line):
                course.begin(head)
            elif _told(line) and (event := course.event(line)):
                yield event
    course.end()


def _told(line: bytes) -> bool:
    """Whether the program wrote the line, not the shell that holds the lock."""
    return line.startswith((b'{"time":', b'{"event":"output"'))
