"""`chatops deploy`: packs the app and makes it serve."""

from __future__ import annotations

from typing import Annotated

import typer

from chatops.cli import invocation
from chatops.cli.change import change
from chatops.cli.naming import TargetName
from chatops.cli.plan import goal, show_plan


def deploy(
    context: typer.Context,
    target: TargetName = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    wait_lock: Annotated[
        float, typer.Option("--wait-lock", metavar="SECONDS", min=0, help="Wait for another deploy to end.")
    ] = 0,
    release: Annotated[
        str | None, typer.Option("--release", metavar="ID", help="Deploy a release that the target has kept.")
    ] = None,
    skip_unreachable: Annotated[
        bool,
        typer.Option("--skip-unreachable", help="Leave out hosts that don't answer; a later deploy brings them up to date."),
    ] = False,
) -> None:
    """Put the app on a target, without a dropped request or message."""
    call, wanted = invocation.of(context), goal(release, skip_unreachable=skip_unreachable)
    if dry_run:
        invocation.run(show_plan(call, target, wanted))
    else:
        invocation.run(change(call, target, wanted, "deployed {release}", yes=yes, wait=wait_lock))
