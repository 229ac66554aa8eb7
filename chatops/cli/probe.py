"""`chatops probe`: real clients through the public address for a while, and what they felt."""

from __future__ import annotations

from typing import Annotated

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation
from chatops.cli.naming import TargetName


def probe(
    context: typer.Context,
    target: TargetName = None,
    clients: Annotated[int, typer.Option("--clients", metavar="N", min=1, max=200, help="Chat clients.")] = 5,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", min=1, max=3600, help="How long.")] = 10,
) -> None:
    """Talk through the public address and tell what users would feel.

    Latency, failures, lost and doubled messages. Exit code 5 on any loss.
    """
    if invocation.run(_probe(invocation.of(context), target, clients, seconds)):
        raise typer.Exit(5)


async def _probe(call: Invocation, name: str | None, clients: int, seconds: float) -> bool:
    import asyncio

    from chatops.errors import ConfigError, TargetError, Unhealthy
    from chatops.probe import Probe

    config = call.load()
    async with call.target(config, name) as target:
        state = await target.inspect()
    if state.url is None:
        raise ConfigError(f"nothing is deployed on `{state.target}` yet", f"`chatops deploy {state.target}` comes first")
    if state.unseen:
        raise TargetError(state.unseen, "`chatops status` tells how the app is there")
    probing = Probe(state.url, config.app, clients, state.authority)
    await probing.start()
    try:
        await asyncio.sleep(seconds)
    finally:
        impact = await probing.stop()
    if impact is None:
        raise Unhealthy(f"{state.url} never answered", "`chatops status` and `chatops logs` say more")
    latencies = probing.latencies()
    if call.json:
        call.answer(
            {
                "target": state.target,
                "url": state.url,
                "impact": impact,
                "latency_ms": latencies,
                "reconnects": probing.reconnects,
            }
        )
    else:
        from chatops.render.console import impact_words

        print(impact_words(impact))
        for what, values in latencies.items():
            print(f"{what}: " + (", ".join(f"{key} {value:.1f} ms" for key, value in values.items()) or "none"))
        print(f"reconnects: {probing.reconnects}")
    return bool(impact.failed or impact.lost or impact.doubled)
