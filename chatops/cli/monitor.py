"""`chatops monitor`: targets live on one screen; for a pipe as plain lines, for a program as JSON."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation
from chatops.cli.naming import complete

if TYPE_CHECKING:
    import httpx

    from chatops.board import TargetBoard
    from chatops.events import Event, HealthSample
    from chatops.goals import Goal
    from chatops.model import App
    from chatops.render.output import Output
    from chatops.targets.base import Target
    from chatops.tui.source import Source
    from chatops.watch import Cadence, Live

CODES = {"healthy": 0, "degraded": 1, "down": 2, "unknown": 3}
"""Exit codes of `--once` (CONTRACT)."""
PATIENCE = 10.0
"""How long `--once` waits for every target to show itself, in seconds."""
BLIND = 60.0
"""How long it is believed that a target's address can't be asked from here, in seconds: to look again takes a whole look."""
GLANCE = 30.0
"""How often plain lines say how a target is, in seconds; also whenever that changes."""


def monitor(
    context: typer.Context,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[TARGET]...", help="Targets of the file.", autocompletion=complete)
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One snapshot; exits 0 healthy, 1 degraded, 2 down, 3 unknown.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Nothing can be changed from the screen.")] = False,
) -> None:
    """Show health, workers and logs live. On a screen, as lines where there is none, with --json as NDJSON."""
    call = invocation.of(context)
    if call.no_color:
        os.environ["NO_COLOR"] = "1"
    if code := invocation.run(show(call, targets or [], once=once, read_only=read_only)):
        raise typer.Exit(code)


async def show(call: Invocation, names: list[str], *, once: bool, read_only: bool) -> int:
    """Watches targets to the end that the user makes; gives the exit code."""
    config = call.load()
    async with AsyncExitStack() as stack:
        wanted = dict.fromkeys(config.pick(name or None).name for name in names or [""])
        watched = [Watched(await stack.enter_async_context(call.target(config, name)), config.app, stack) for name in wanted]
        if once:
            return await snap(call, watched)
        if not call.json and invocation.interactive(sys.stdout) and invocation.interactive(sys.stdin):
            return await screen([one.source(read_only=read_only) for one in watched])
        await stream(call, watched)
        return 0


class Watched:
    """One target with what it takes to watch it and to change it."""

    def __init__(self, target: Target[Any], app: App, stack: AsyncExitStack) -> None:
        self.target = target
        self._app = app
        self._stack = stack
        self._http: httpx.AsyncClient | None = None
        self._url = ""
        self._warm = False
        self.unseen = ""
        self._believed = 0.0

    def feed(self, cadence: Cadence | None = None, tail: int = 100) -> AsyncIterator[Live]:
        """Everything that can be seen of it."""
        from chatops.watch import CADENCE, watch

        return watch(self.target, self._probe, tail=tail, cadence=cadence or CADENCE)

    async def _probe(self) -> HealthSample:
        """A look at its health; the address is asked for until there is one."""
        from chatops.errors import TargetError
        from chatops.health import client, sample

        if self.unseen and time.monotonic() < self._believed:
            raise TargetError(self.unseen)
        if self._http is None:
            state = await self.target.inspect()
            if state.url is None:
                raise TargetError(f"nothing is deployed on `{self.target.name}` yet")
            self.unseen, self._believed = state.unseen, time.monotonic() + BLIND
            if state.unseen:
                raise TargetError(state.unseen)
            self._url = state.url + self._app.health
            self._http = await self._stack.enter_async_context(client(state.url, state.authority))
        if not self._warm and not (first := await sample(self._http, self._url, self.target.name)).ok:
            return first
        self._warm = True  # the first look paid for imports: it counts only when it fails
        return await sample(self._http, self._url, self.target.name)

    async def act(self, goal: Goal) -> AsyncGenerator[Event, None]:
        """Reaches a goal, with the impact measured, as the verbs do."""
        from chatops.execute import execute
        from chatops.probe import prober

        state = await self.target.inspect()
        plan = self.target.plan(state, goal)
        async with aclosing(execute(self.target, state, plan, prober(state, self._app, plan))) as events:
            async for event in events:
                yield event

    def source(self, *, read_only: bool) -> Source:
        """What the screen gets."""
        from chatops.tui.source import Source

        act = None if read_only else self.act
        return Source(name=self.target.name, feed=self.feed, look=self.target.inspect, act=act)


# ---------------------------------------------------------------- the screen


async def screen(sources: list[Source]) -> int:
    """Runs the app; cancelled (SIGTERM, SIGHUP), it gives the terminal back before it ends."""
    import asyncio

    from chatops.board import Board
    from chatops.tui.app import MonitorApp
    from chatops.tui.terminal import TerminalDriver

    app = MonitorApp(sources, Board([source.name for source in sources]), TerminalDriver)
    running = asyncio.create_task(app.run_async())
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        app.exit()
        await running
        raise
    finally:
        await app.settle()
    return app.return_code or 0


# ---------------------------------------------------------------- one snapshot


async def snap(call: Invocation, watched: list[Watched]) -> int:
    """Waits until every target has shown itself, says how they are, and gives the exit code."""
    import asyncio

    from chatops.board import Board, snapshot
    from chatops.errors import TargetError
    from chatops.render.board import lines
    from chatops.streams import merge
    from chatops.watch import Cadence

    board = Board([one.target.name for one in watched])
    feeds = merge(*(one.feed(Cadence(health=1.0, workers=1.0), tail=0) for one in watched))
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE), aclosing(feeds) as events:
            async for event in events:
                board.apply(event)
                if all(_settled(board.targets[one.target.name], one.unseen) for one in watched):
                    break
    for one in watched:
        with suppress(TargetError, OSError):
            board.take_state(one.target.name, await one.target.inspect())
    if call.json:
        call.answer(snapshot(board))
    else:
        print("\n".join(lines(board)))
    return CODES[board.worst()]


def _settled(target: TargetBoard, unseen: str) -> bool:
    """Whether a target has shown its health, if it can, and its workers; a failed probe is asked a second time."""
    from chatops.board.target import FAILURES

    probed = target.health and (target.health[-1].ok or len(target.health) >= FAILURES)
    return target.workers_heard is not None and bool(probed or unseen)


# ---------------------------------------------------------------- lines


async def stream(call: Invocation, watched: list[Watched]) -> None:
    """Every event as a line, until the reader goes away or we are interrupted."""
    from chatops.render.output import Output
    from chatops.streams import merge

    async with Output(sys.stdout) as output, aclosing(merge(*(one.feed() for one in watched))) as events:
        await (_json(events, output) if call.json else _plain(call, events, output, [one.target.name for one in watched]))


async def _json(events: AsyncIterator[Live], output: Output) -> None:
    from chatops.render import ndjson

    async for event in events:
        output.write(ndjson.line(event))


async def _plain(call: Invocation, events: AsyncIterator[Live], output: Output, names: list[str]) -> None:
    """Log lines as they come; how a target is when that changes, and now and then."""
    from chatops.board import Board
    from chatops.board.lines import Ring
    from chatops.events import LogLine, Notice
    from chatops.render.board import glance
    from chatops.render.text import Text

    board = Board(names, Ring(lines=1))
    form = Text(color=call.color, utc=False)
    said: dict[str, tuple[str, float]] = {}
    async for event in events:
        board.apply(event)
        if isinstance(event, LogLine | Notice):
            output.write(form(event))
            continue
        now = board.clock()
        for target in board.targets.values():
            word, before = target.state(now)[0], said.get(target.name, ("", 0.0))
            if target.health and target.workers_heard and (word != before[0] or now - before[1] >= GLANCE):
                said[target.name] = (word, now)
                output.write(glance(target, now))
