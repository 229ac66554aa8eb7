"""Waiting for what an app on the emulator becomes, through the API as a client would."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.heroku.emulator import Emulator

LOOK_EVERY = 0.05
LONGEST = 20.0


async def until(look: Callable[[], Awaitable[Any]], seconds: float = LONGEST) -> Any:
    """The first truthy thing that `look` gives. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (seen := await look()):  # noqa: ASYNC110 - the state is another program's
            await asyncio.sleep(LOOK_EVERY)
    return seen


async def states(api: httpx.AsyncClient, app: str, *wanted: str) -> list[dict[str, Any]]:
    """The dynos, once their states are exactly these."""

    async def look() -> list[dict[str, Any]]:
        dynos = list((await api.get(f"/apps/{app}/dynos")).json())
        return dynos if [dyno["state"] for dyno in dynos] == list(wanted) else []

    return list(await until(look))


async def logged(heroku: Emulator, app: str, text: str) -> str:
    """The first log line that contains `text`, once there is one."""

    async def look() -> str:
        return next((str(line) for line in heroku.app(app).log.lines if text in str(line)), "")

    return str(await until(look))
