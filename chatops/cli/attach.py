"""`chatops attach`: joins a change that is running on the target."""

from __future__ import annotations

from contextlib import aclosing

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation
from chatops.cli.naming import TargetName


def attach(
    context: typer.Context,
    target: TargetName = None,
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

        await show(events, color=call.talk_color, verbose=call.verbose, quiet=call.quiet)
        call.say("the change has ended; `chatops status` shows what serves now")
