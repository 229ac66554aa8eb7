"""`chatops scale`: more or fewer workers."""

from __future__ import annotations

from typing import Annotated

import typer

from chatops.cli import invocation
from chatops.cli.change import change
from chatops.cli.naming import complete


def scale(
    context: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="[TARGET] N", help="The target, and how many.", autocompletion=complete)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    wait_lock: Annotated[
        float, typer.Option("--wait-lock", metavar="SECONDS", min=0, help="Wait for another change to end.")
    ] = 0,
) -> None:
    """Run N workers (per app host); the surplus drains before it ends."""
    from chatops.goals import Scale

    if len(words) > 2:
        raise typer.BadParameter("give a target and a number, or the number alone")
    call, name, count = invocation.of(context), words[0] if len(words) == 2 else None, _count(words[-1])
    done = f"scaled to {count} {'worker' if count == 1 else 'workers'}"
    invocation.run(change(call, name, lambda _config, _state: Scale(count), done, yes=yes, wait=wait_lock))


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise typer.BadParameter("N is a number from 1 to 64")
    return int(text)
