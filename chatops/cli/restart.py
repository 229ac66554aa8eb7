"""`chatops restart`: fresh workers of the same release."""

from __future__ import annotations

from typing import Annotated

import typer

from chatops.cli import invocation
from chatops.cli.change import change
from chatops.cli.naming import TargetName


def restart(
    context: typer.Context,
    target: TargetName = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    wait_lock: Annotated[
        float, typer.Option("--wait-lock", metavar="SECONDS", min=0, help="Wait for another change to end.")
    ] = 0,
) -> None:
    """Replace every worker by a fresh one of the same release. They pass the gate before they serve."""
    from chatops.goals import Restart

    call = invocation.of(context)
    invocation.run(change(call, target, lambda _config, _state: Restart(), "restarted {release}", yes=yes, wait=wait_lock))
