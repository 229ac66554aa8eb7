"""`chatops demo`: the bundled chat on this machine, a few bots that talk, and the monitor."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chatops.cli import invocation
from chatops.cli.change import change
from chatops.cli.invocation import Invocation
from chatops.cli.plan import goal

if TYPE_CHECKING:
    from chatops.chat import Client

FOLDER = ".chatops-demo"
FIRST_PORT = 3000
BOTS = ("ana", "ben", "chen", "dara")
ROOM = "lobby"
LINES = (
    "good morning",
    "did anybody deploy yet?",
    "just now, nobody noticed",
    "how many messages did we lose?",
    "none, it says so itself",
    "and if the release is bad?",
    "then it never gets any traffic",
    "nice. coffee?",
)
BEFORE_SNAPSHOT = 2.5


def demo(context: typer.Context) -> None:
    """Deploy the bundled chat here and watch bots talk in the monitor. Without a terminal: one snapshot, then it is removed."""
    call = replace(invocation.of(context), config=_file(Path(FOLDER)))
    looking = invocation.interactive(sys.stdout) and invocation.interactive(sys.stdin) and not call.json
    code = invocation.run(_look(call) if looking else _show(call))
    if not looking:
        shutil.rmtree(FOLDER, ignore_errors=True)
    if code:
        raise typer.Exit(code)


def _file(folder: Path) -> Path:
    """The demo's own file, with a port that is free; one that is there is kept."""
    file = folder / "chatops.yaml"
    if not file.exists():
        folder.mkdir(exist_ok=True)
        text = "version: 1\napp:\n  name: chat\n  websocket: /ws\n  secrets:\n    SESSION_SECRET: {generate: 32}\n"
        file.write_text(f"{text}targets:\n  local: {{workers: 2, port: {_free_port()}}}\n")
    return file.absolute()


def _free_port() -> int:
    from chatops.targets.local.client.look import port_owner

    return next(port for port in range(FIRST_PORT, FIRST_PORT + 1000) if port_owner(port) is None)


async def _look(call: Invocation) -> int:
    """For people: the monitor, until they leave it; the chat goes on."""
    from chatops.cli.monitor import show

    await change(call, None, goal(), "deployed {release}")
    url = await _url(call)
    async with _bots(url):
        code = await show(call, [], once=False, read_only=False)
    program = sys.argv[0] if "/" in sys.argv[0] else "chatops"  # `make demo` runs it out of its environment
    command = f"{program} -c {FOLDER}/chatops.yaml"
    call.say(f"the chat still runs at {url}\n  {command} monitor   looks again\n  {command} remove --purge   ends it")
    return code


async def _show(call: Invocation) -> int:
    """For pipes: status, one snapshot, and everything that was started is removed."""
    import asyncio

    from chatops.cli.monitor import show
    from chatops.cli.status import report
    from chatops.goals import Remove

    try:
        await change(call, None, goal(), "deployed {release}")
        async with _bots(await _url(call)):
            await asyncio.sleep(BEFORE_SNAPSHOT)
            await report(call, None)
            return await show(call, [], once=True, read_only=True)
    finally:
        await change(call, None, lambda _config, _state: Remove(purge=True), "removed", yes=True)


async def _url(call: Invocation) -> str:
    async with call.target(call.load(), None) as target:
        return (await target.inspect()).url or ""


@asynccontextmanager
async def _bots(url: str) -> AsyncIterator[None]:
    """Bots that talk in the lobby while the block runs."""
    import asyncio

    from chatops.chat import Client, Tally

    clients = [Client(f"ws{url.removeprefix('http')}/ws", ROOM, name, Tally()) for name in BOTS]
    tasks = [asyncio.create_task(part) for client in clients for part in (client.stay(), _talk(client))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _talk(client: Client) -> None:
    import asyncio
    import random

    while True:
        await asyncio.sleep(random.uniform(0.5, 2.5))  # noqa: S311  bots
        await client.say(random.choice(LINES))  # noqa: S311
