"""`chatops scale`: more or fewer workers."""

from __future__ import annotations

from typing import Annotated

import typer

from chatops.cli import invocation
from chatops.cli.change import change


def scale(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="[TARGET]", help="A target of the file.")],
    workers: Annotated[int | None, typer.Argument(metavar="N", min=1, max=64, help="Workers (per app host).")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    wait_lock: Annotated[
        float, typer.Option("--wait-lock", metavar="SECONDS", min=0, help="Wait for another change to end.")
    ] = 0,
) -> None:
    """Run N workers; the surplus drains before it ends."""
    from chatops.model import Scale

    name: str | None = target
    if workers is None:
        name, workers = None, _count(target)
    call, count = invocation.of(context), workers
    invocation.run(
        change(call, name, lambda _config, _state: Scale(count), f"scaled to {count} workers", yes=yes, wait=wait_lock)
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise typer.BadParameter("N is a number from 1 to 64")
    return int(text)
