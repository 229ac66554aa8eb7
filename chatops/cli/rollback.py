"""`chatops rollback`: makes an earlier release serve again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chatops.cli import invocation
from chatops.cli.change import change
from chatops.cli.naming import TargetName

if TYPE_CHECKING:
    from chatops.config import Config
    from chatops.goals import Goal
    from chatops.model import State


def rollback(
    context: typer.Context,
    target: TargetName = None,
    release: Annotated[str | None, typer.Argument(metavar="RELEASE", help="The one before, where left out.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    wait_lock: Annotated[
        float, typer.Option("--wait-lock", metavar="SECONDS", min=0, help="Wait for another change to end.")
    ] = 0,
) -> None:
    """Make the release before, or a named one, serve again."""

    def goal(config: Config, state: State) -> Goal:
        from chatops.errors import ConfigError
        from chatops.goals import back
        from chatops.model import before

        if to := release or before(state):
            return back(state.releases, to)
        raise ConfigError("there is no good release before the current one", "`chatops releases` shows what is kept")

    call = invocation.of(context)
    invocation.run(change(call, target, goal, "rolled back to {release}", yes=yes, wait=wait_lock))
