"""`chatops attach`: joins a change that is running on the target."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import Annotated

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation


def attach(
    context: typer.Context,
    target: Annotated[str | None, typer.Argument(metavar="TARGET", help="A target of the file.")] = None,
) -> None:
    """Watch a deploy that runs on the target, from its first event."""
    invocation.run(_attach(invocation.of(context), target))


async def _attach(call: Invocation, name: str | None) -> None:
    async with call.target(call.load(), name) as target, aclosing(target.attach()) as events:
        if call.json:
            from chatops.render.ndjson import write

            async for event in events:
                write(event)
            return
        from chatops.render.console import show

        colored = not call.no_color and invocation.interactive(sys.stderr)
        await show(events, color=colored, verbose=call.verbose, quiet=call.quiet)
        call.say("the change has ended; `chatops status` shows what serves now")
