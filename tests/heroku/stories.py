"""Stories for the emulator's tests: each is played on an emulator of its own, in which the app `chat` exists."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.heroku.emulator import QUICK, Emulator
from tests.heroku.sources import client, deploy, source
from tests.heroku.waiting import states

Story = Callable[[Emulator, httpx.AsyncClient], Awaitable[None]]
SECONDS = 60


def tell(story: Story, serving: bool = False, **limits: Any) -> None:
    """Plays a story; with `serving` the app has a web dyno that is up."""

    async def play() -> None:
        quick = dataclasses.replace(QUICK, **{"stream_keep_alive": 0.2, **limits})
        async with Emulator(quick) as heroku, client(heroku) as api:
            assert (await api.post("/apps", json={"name": "chat"})).status_code == 201
            if serving:
                await deploy(api, "chat", source())
                await states(api, "chat", "up")
            await story(heroku, api)

    asyncio.run(asyncio.wait_for(play(), SECONDS))
