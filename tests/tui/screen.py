"""The monitor's screen over a scripted feed as a program of its own, run through the verb's way to start and end it."""

from __future__ import annotations

import asyncio

from chatops.cli import invocation
from chatops.cli.monitor import screen
from chatops.errors import Interrupted
from chatops.events import Event
from chatops.goals import Goal
from chatops.tui.source import Source
from tests.tui.feed import life, source


async def stuck(goal: Goal) -> Event:  # type: ignore[misc]
    """A goal that is never reached; says on the terminal that it was given time to clean up."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.1)
        print("cleaned up", flush=True)
    yield  # type: ignore[misc]


if __name__ == "__main__":
    scripted = source(life())
    try:
        invocation.run(screen([Source(name="local", feed=scripted.feed, look=scripted.look, act=stuck)]))  # type: ignore[arg-type]
    except Interrupted:
        raise SystemExit(130) from None
