"""`chatops run`: a one-off command in the app's environment."""

from __future__ import annotations

from typing import Annotated

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation


def run(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="[TARGET] -- CMD...", help="The target, then `--` and the command.")],
) -> None:
    """Run a command beside the app, with its environment. Its exit code is ours."""
    call = invocation.of(context)
    raise typer.Exit(invocation.run(_run(call, words)))


async def _run(call: Invocation, words: list[str]) -> int:
    config = call.load()
    named = len(words) > 1 and words[0] in config.targets
    async with call.target(config, words[0] if named else None) as target:
        return await target.run(words[1:] if named else words)
