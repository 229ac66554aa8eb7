"""`chatops releases`: what a target has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation
from chatops.cli.naming import TargetName

if TYPE_CHECKING:
    from chatops.model import KeptRelease


def releases(
    context: typer.Context,
    target: TargetName = None,
) -> None:
    """List the releases that a target has kept, newest first."""
    invocation.run(_releases(invocation.of(context), target))


async def _releases(call: Invocation, name: str | None) -> None:
    async with call.target(call.load(), name) as target:
        state = await target.inspect()
    if call.json:
        call.answer({"target": state.target, "releases": [as_json(kept) for kept in state.releases]})
    else:
        print(_table(state.releases) if state.releases else f"nothing is deployed on `{state.target}` yet")


def as_json(kept: KeptRelease) -> dict[str, str | None]:
    """A kept release as CONTRACT's object."""
    from chatops.events import rfc3339

    created = rfc3339(kept.created) if kept.created else None
    return {"id": kept.id, "state": kept.state, "created": created, "by": kept.by, "git": kept.git}


def _table(kept: tuple[KeptRelease, ...]) -> str:
    from chatops.render.columns import columns
    from chatops.render.console import age

    rows = [(one.id, age(one.created), one.by or "-", one.git or "-", one.state) for one in kept]
    return columns(("release", "age", "by", "git", "state"), rows)
