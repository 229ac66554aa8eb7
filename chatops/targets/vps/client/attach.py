"""Joins a change that runs on a host, whoever began it, from its first event."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path, PurePosixPath

from chatops.errors import TargetError
from chatops.events import Event
from chatops.program import Journal
from chatops.shell import assign
from chatops.targets.vps.client.link import Link

_SCRIPT = Path(__file__).with_name("attach.sh")


async def join(link: Link, state: PurePosixPath, user: str, redact: Callable[[str], str]) -> AsyncGenerator[Event, None]:
    """The events until the lock is free. Raises TargetError when nothing is being changed, and when the link is lost."""
    host = link.host.address
    journal = Journal("", {}, redact, time.time, host)
    async with aclosing(link.lines(f"{assign('state', state)}\n{_SCRIPT.read_text()}", user=user)) as lines:
        async for line in lines:
            if line == b"idle":
                raise TargetError(f"nothing is being changed on `{host}`", "`chatops status` shows what is there")
            if head := _head(line):
                journal = Journal(*head, redact, time.time, host)
            elif _told(line) and (event := journal.event(line)):
                yield event


def _told(line: bytes) -> bool:
    """Whether the program wrote the line, not the shell that holds the lock."""
    return line.startswith((b'{"time":', b'{"event":"output"'))


def _head(line: bytes) -> tuple[str, dict[str, str]] | None:
    """The phase that begins, and the titles of its steps."""
    if not line.startswith(b'{"event":"phase"'):
        return None
    try:
        value = json.loads(line)
        return str(value["phase"]), {str(name): str(title) for name, title in value["titles"].items()}
    except (ValueError, KeyError, AttributeError):
        return None
