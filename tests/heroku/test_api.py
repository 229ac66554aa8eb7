"""The client of the Platform API: deadlines, waits that the platform asks for, paging, ids, answers that are none."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chatops.errors import TargetError
from chatops.targets.heroku.client import api as client
from chatops.targets.heroku.client.api import Api
from chatops.targets.heroku.client.faults import Refused
from chatops.targets.heroku.client.objects import Objects
from tests.heroku.emulator import Delay, Refuse
from tests.heroku.emulator.model import Domain
from tests.heroku.stage import Stage, act

Story = Callable[[Stage, Api], Awaitable[None]]


def ask(folder: Path, story: Story) -> None:
    """Plays a story in which the app is there."""

    async def play(stage: Stage) -> None:
        async with stage.opened() as target:
            await target._api.create("/apps", {"name": "my-chat"})
            await story(stage, target._api)

    act(folder, play)


def test_the_platform_may_say_how_long_to_wait(tmp_path: Path) -> None:
    async def story(stage: Stage, api: Api) -> None:
        stage.heroku.inject(Refuse(path="/account", status=429, retry_after=1))
        begun = time.monotonic()
        await api.get("/account")
        assert 1 <= time.monotonic() - begun < 3

    ask(tmp_path, story)


def test_a_call_has_a_deadline_with_all_its_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "DEADLINE", 0.3)

    async def story(stage: Stage, api: Api) -> None:
        stage.heroku.inject(Delay(path="/account", seconds=30))
        with pytest.raises(TargetError, match="did not answer GET /account"):
            await api.get("/account")

    ask(tmp_path, story)


def test_a_list_is_read_over_all_its_pages(tmp_path: Path) -> None:
    async def story(stage: Stage, api: Api) -> None:
        app = stage.heroku.app("my-chat")
        app.domains += [Domain(hostname=f"d{number}.example.com") for number in range(2100)]
        before = len(stage.calls())
        found = {domain["hostname"] for domain in await api.all("/apps/my-chat/domains")}
        assert len(found) == len(app.domains)
        assert len(stage.calls(before)) == 3

    ask(tmp_path, story)


def test_every_call_has_an_id_of_its_own_that_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(stage: Stage, api: Api) -> None:
        with caplog.at_level(logging.DEBUG, logger="chatops"):
            await asyncio.gather(api.get("/account"), api.get("/account"))
            await Objects(api.access, stage.heroku.app("my-chat").id, "my-chat").set_config({"A": "b"})
            stage.heroku.inject(Refuse(path="/account", status=500))
            with pytest.raises(Refused, match=r"\(500, request ") as refused:
                await api.get("/account")
        ids = [message.split()[1] for message in caplog.messages if message.startswith("request ")]
        assert len(set(ids)) == 4
        assert ids[3] in refused.value.message
        assert stage.heroku.token not in caplog.text

    ask(tmp_path, story)


@pytest.mark.parametrize("status", [401, 403, 404, 422, 429])
def test_both_libraries_refuse_in_the_same_words(tmp_path: Path, status: int) -> None:
    async def story(stage: Stage, api: Api) -> None:
        stage.heroku.inject(Refuse(method="PATCH", path="/apps/*/config-vars", status=status, retry_after=0, times=None))
        objects = Objects(api.access, stage.heroku.app("my-chat").id, "my-chat")
        with pytest.raises(Refused) as one:
            await api.change("PATCH", "/apps/my-chat/config-vars", {"A": "b"})
        with pytest.raises(Refused) as other:
            await objects.set_config({"A": "b"})
        assert (one.value.message, one.value.hint) == (other.value.message, other.value.hint)

    ask(tmp_path, story)


def test_what_is_no_api_is_said_to_be_none(tmp_path: Path) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>sign in!")
        await writer.drain()
        writer.close()

    async def story(stage: Stage, api: Api) -> None:
        server = await asyncio.start_server(page, "127.0.0.1", 0)
        other = Api(type(api.access)(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", api.access.token))
        with pytest.raises(TargetError, match="not Heroku's API"):
            await other.get("/account")
        await other.close()
        server.close()

    ask(tmp_path, story)
