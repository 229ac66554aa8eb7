"""The emulated router: headers, hosts, H codes, held requests, preboot, WebSockets."""

import asyncio
import re

import httpx
import pytest
import websockets

from tests.heroku.emulator import Emulator
from tests.heroku.sources import deploy, source
from tests.heroku.stories import tell
from tests.heroku.waiting import logged, states, until


def test_the_router_adds_its_headers_and_logs_the_visit() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        headers = {"X-Forwarded-For": "203.0.113.9", "X-Request-Id": "visit-1"}
        answer = await api.post(heroku.app("chat").web_url + "p?q=1 2", content=b"x" * 100_000, headers=headers)
        seen = answer.json()
        assert seen["size"] == 100_000
        assert seen["headers"]["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
        assert seen["headers"]["x-request-id"] == "visit-1"
        line = await logged(heroku, "chat", "request_id=visit-1")
        assert re.search(r'heroku\[router\]: at=info method=POST path="/p\?q=1%202" host=127\.0\.0\.1 request_id=visit-1', line)
        assert re.search(
            r'fwd="203\.0\.113\.9, 127\.0\.0\.1" dyno=web\.1 connect=\d+ms service=\d+ms status=200 bytes=\d+', line
        )

    tell(story, serving=True)


def test_apps_are_found_by_host() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await api.post("/apps/chat/domains", json={"hostname": "chat.example.com", "sni_endpoint": None})
        for host, status in (("chat.example.com", 200), (heroku.app("chat").host, 200), ("other.example.com", 404)):
            assert (await api.get(heroku.router_url, headers={"Host": host})).status_code == status

    tell(story, serving=True)


@pytest.mark.parametrize(
    ("path", "code"),
    [("silent", 'code=H12 desc="Request timeout"'), ("hangup", "code=H13"), ("drip", 'code=H15 desc="Idle connection"')],
)
def test_dynos_that_fail_a_request_get_an_h_code(path: str, code: str) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        try:
            answer = await api.get(heroku.app("chat").web_url + path)
            assert answer.status_code == 503
        except httpx.RemoteProtocolError:
            assert path == "drip"
        await logged(heroku, "chat", code)

    tell(story, serving=True, first_byte=0.5, idle=0.5)


def test_a_visitor_who_leaves_is_no_fault_of_the_app() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        async with httpx.AsyncClient() as visitor, visitor.stream("GET", heroku.app("chat").web_url + "flood"):
            pass
        assert "status=499" in await logged(heroku, "chat", "at=warning code=H27")

    tell(story, serving=True)


def test_apps_that_cannot_serve_say_why() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        url = heroku.app("chat").web_url
        assert (await api.get(url)).status_code == 502
        await logged(heroku, "chat", "code=H81")
        await deploy(api, "chat", source())
        assert (await api.get(url)).status_code == 200
        await api.patch("/apps/chat", json={"maintenance": True})
        assert "maintenance" in (await api.get(url)).text
        await api.patch("/apps/chat", json={"maintenance": False})
        await api.patch("/apps/chat/formation/web", json={"quantity": 0})
        assert (await api.get(url)).status_code == 503
        await logged(heroku, "chat", 'code=H14 desc="No web processes running"')

    tell(story)


def test_a_restart_holds_requests_until_the_new_dyno_is_up() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        old = next(iter(heroku.app("chat").dynos.values())).id
        await api.delete("/apps/chat/dynos")
        assert (await api.get(heroku.app("chat").web_url)).status_code == 200
        [dyno] = await states(api, "chat", "up")
        assert dyno["id"] != old

    tell(story, serving=True)


def test_preboot_keeps_the_old_dynos_until_the_new_ones_are_ready() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        refused = await api.patch("/apps/chat/features/preboot", json={"enabled": True})
        assert refused.status_code == 422
        await api.patch("/apps/chat/formation/web", json={"size": "standard-1x"})
        await states(api, "chat", "up")
        await api.patch("/apps/chat/features/preboot", json={"enabled": True})
        [old] = await states(api, "chat", "up")
        await api.patch("/apps/chat/config-vars", json={"A": "1"})
        assert "A" not in (await api.get(heroku.app("chat").web_url)).json()["env"]
        await until(lambda: _other(api, old["id"]))
        assert (await api.get(heroku.app("chat").web_url)).json()["env"]["A"] == "1"

    tell(story, serving=True, preboot=0.5)


async def _other(api: httpx.AsyncClient, id: str) -> bool:
    return all(dyno["id"] != id for dyno in (await api.get("/apps/chat/dynos")).json())


def test_websockets_pass_both_ways_and_end_when_idle() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        async with websockets.connect(heroku.app("chat").web_url.replace("http", "ws") + "ws", ping_interval=None) as socket:
            for text in ("one", "two"):
                await socket.send(text)
                assert await socket.recv() == text
            with pytest.raises(websockets.ConnectionClosedError):
                await asyncio.wait_for(socket.recv(), 5)
        line = await logged(heroku, "chat", "code=H15")
        assert "status=101" in line

    tell(story, serving=True, idle=1.0)
