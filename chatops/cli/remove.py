"""`chatops remove`: takes the app away from a target."""

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


def remove(
    context: typer.Context,
    target: TargetName = None,
    purge: Annotated[bool, typer.Option("--purge", help="Also data, secrets, and what was installed for the app.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for the target's name.")] = False,
) -> None:
    """Take the app away; asks for the target's name."""

    def goal(_config: Config, _state: State) -> Goal:
        from chatops.goals import Remove

        return Remove(purge)

    invocation.run(change(invocation.of(context), target, goal, "removed", yes=yes))
