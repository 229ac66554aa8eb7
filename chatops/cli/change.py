"""What every verb that changes a target shares: look, plan, ask, carry out, show, end."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import typer

from chatops.cli.invocation import Invocation, interactive, mute
from chatops.errors import ConfigError, Locked

if TYPE_CHECKING:
    from chatops.config import Config
    from chatops.events import Event, Finished
    from chatops.goals import Goal, Plan
    from chatops.model import State
    from chatops.targets.base import Target

GoalOf = Callable[["Config", "State"], "Goal"]
LOCK_POLL = 0.5


async def change(
    invocation: Invocation, name: str | None, goal_of: GoalOf, done: str, *, yes: bool = False, wait: float = 0
) -> None:
    """Reaches a goal on a target and says so; leaves with the exit code of CONTRACT when it did not."""
    import asyncio

    config = invocation.load()
    async with invocation.target(config, name) as target:
        end = time.monotonic() + wait
        while True:
            try:
                finished, url = await _once(invocation, config, target, goal_of, yes=yes)
                break
            except Locked as error:
                if time.monotonic() >= end:
                    raise
                invocation.say(f"waiting: {error.message}")
                await asyncio.sleep(LOCK_POLL)
        await _end(invocation, target, finished, done, url)


async def _once(
    invocation: Invocation, config: Config, target: Target[Any], goal_of: GoalOf, *, yes: bool
) -> tuple[Finished, str | None]:
    """How it ended, and where the app was served before."""
    import asyncio

    loading = asyncio.create_task(_load_rest())  # begins when there is something to wait for
    state = await target.inspect()
    from chatops.execute import execute
    from chatops.goals import Remove
    from chatops.probe import prober

    plan = target.plan(state, goal_of(config, state))
    _agree(invocation, state.target, plan, yes=yes)
    felt = None if isinstance(plan.goal, Remove) else prober(state, config.app, plan)
    async with aclosing(execute(target, state, plan, felt)) as events:
        finished = await _show(invocation, events)
    loading.cancel()  # where nothing was to be done
    return finished, None if isinstance(plan.goal, Remove) else state.url


async def _load_rest() -> None:
    """Loads what is needed later (0.15 s) while the target is looked at, or while its first step runs.

    Not on a thread: where two threads import modules that import each other, Python raises _DeadlockError in one of them.
    """
    import asyncio
    from importlib import import_module

    for name in (
        "chatops.execute",
        "chatops.pack",
        "chatops.probe",
        "chatops.render.console",
        "httpx",
        "websockets.asyncio.client",
        "httpcore",  # httpx loads it, and the other one, when it is first asked
        "anyio._backends._asyncio",
    ):
        import_module(name)
        await asyncio.sleep(0)


def _agree(invocation: Invocation, target: str, plan: Plan, *, yes: bool) -> None:
    """Says what is worth knowing before, then asks: to remove for the target's name, else on a terminal whether to go on."""
    from chatops.goals import Remove

    for notice in plan.notices:
        invocation.say(f"! {notice}")
    if yes:
        return
    if isinstance(plan.goal, Remove):
        _ask_name(target)
    elif plan.notices and plan.changes and interactive(sys.stdin) and interactive(sys.stderr):
        typer.confirm("go on?", default=True, abort=True, err=True)


def _ask_name(target: str) -> None:
    from chatops.render.console import ask

    if not interactive(sys.stdin):
        raise ConfigError("`remove` asks for the target's name, and there is no terminal", "`--yes` removes without asking")
    if ask(f"This removes the app from `{target}`. Type the target's name to go on:") != target:
        raise ConfigError("that is not the target's name", "nothing was removed")


async def _show(invocation: Invocation, events: AsyncGenerator[Event, None]) -> Finished:
    from chatops.events import Finished

    if invocation.json:
        from chatops.render.ndjson import write

        async for event in events:
            try:
                write(event)
            except BrokenPipeError:
                mute()  # nobody listens: the change goes on
            if isinstance(event, Finished):
                return event
        raise ConfigError("the change ended without saying how")
    from chatops.render.console import show

    finished = await show(events, color=invocation.talk_color, verbose=invocation.verbose, quiet=invocation.quiet)
    if finished is None:
        raise ConfigError("the change ended without saying how")
    return finished


async def _end(invocation: Invocation, target: Target[Any], finished: Finished, done: str, before: str | None) -> None:
    if finished.ok:
        from chatops.render.console import closing_line

        look = finished.changed and not before and not invocation.json
        url = (await target.inspect()).url if look else before
        invocation.say(closing_line(finished, done.format(release=finished.release), url))
        return
    from chatops.render.console import impact_words

    felt = f" ({impact_words(finished.impact)})" if finished.impact else ""
    print(f"error: {finished.error}{felt}", file=sys.stderr)
    if finished.hint:
        print(f"hint: {finished.hint}", file=sys.stderr)
    raise typer.Exit(finished.exit_code)
