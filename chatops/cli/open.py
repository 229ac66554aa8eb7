"""`chatops open`: the app's page in a browser."""

from __future__ import annotations

import sys

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation
from chatops.cli.naming import TargetName


def open(
    context: typer.Context,
    target: TargetName = None,
) -> None:
    """Open the app's page in a browser; prints its address."""
    call = invocation.of(context)
    url = invocation.run(_url(call, target))
    if call.json:
        call.answer({"url": url})
        return
    print(url)
    if invocation.interactive(sys.stdout):
        typer.launch(url)


async def _url(call: Invocation, name: str | None) -> str:
    from chatops.errors import ConfigError

    async with call.target(call.load(), name) as target:
        state = await target.inspect()
        if state.url is None:
            raise ConfigError(f"nothing is deployed on `{target.name}` yet", f"`chatops deploy {target.name}` comes first")
        return str(state.url)
