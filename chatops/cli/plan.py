"""`chatops plan`: what a deploy would do, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chatops.cli import invocation
from chatops.cli.change import GoalOf
from chatops.cli.naming import TargetName

if TYPE_CHECKING:
    from chatops.cli.invocation import Invocation
    from chatops.config import Config
    from chatops.goals import Goal
    from chatops.model import State

CHANGES = 7


def plan(
    context: typer.Context,
    target: TargetName = None,
    script: Annotated[bool, typer.Option("--script", help="Print the program that would run there.")] = False,
    detailed_exitcode: Annotated[bool, typer.Option("--detailed-exitcode", help="0: nothing to do, 7: changes.")] = False,
) -> None:
    """Show what a deploy would do; nothing is changed."""
    call = invocation.of(context)
    changes = invocation.run(show_plan(call, target, goal(), script=script))
    if detailed_exitcode and changes:
        raise typer.Exit(CHANGES)


def goal(release: str | None = None, *, skip_unreachable: bool = False) -> GoalOf:
    """The goal of a deploy: the app's folder as it is now, or a release that is kept there."""

    def of(config: Config, state: State) -> Goal:
        from chatops.config.secrets import environment
        from chatops.goals import Deploy, back
        from chatops.pack import pack

        if release:
            return back(state.releases, release)
        return Deploy(pack(config.app.path), environment(config), skip_unreachable)

    return of


async def show_plan(call: Invocation, name: str | None, goal_of: GoalOf, *, script: bool = False) -> bool:
    """Prints a plan; gives whether it would change anything."""
    from chatops.render.plan import as_json, text

    config = call.load()
    async with call.target(config, name) as target:
        state = await target.inspect()
        made = target.plan(state, goal_of(config, state))
        if call.json:
            call.answer({**as_json(made), **({"script": target.script(made)} if script else {})})
        else:
            print(target.script(made) if script else text(made))
        return made.changes
