"""What the emulated platform streams and routes: build output, logs, drains, visitors, WebSockets, one-off dynos."""

import asyncio
import json
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import websockets
from aiohttp import web

from tests.heroku.emulator import Cut, Emulator, Limits
from tests.heroku.sources import build, client, deploy, output, source
from tests.heroku.waiting import logged, states, until

Story = Callable[[Emulator, httpx.AsyncClient], Awaitable[None]]
SLOW = source({"package.json": '{"scripts": {"build": "for n in 1 2 3; do echo step $n; sleep 0.4; done"}}'})


def tell(story: Story, serving: bool = False, **limits: Any) -> None:
    """Runs a story on an emulator of its own, in which the app `chat` exists, and serves if `serving`."""

    async def run() -> None:
        quick = {"stream_keep_alive": 0.2, "boot": 15.0, "kill": 3.0, "provision": 0.1, **limits}
        async with Emulator(Limits(**quick)) as heroku, client(heroku) as api:
            await api.post("/apps", json={"name": "chat"})
            if serving:
                await deploy(api, "chat", source())
                await states(api, "chat", "up")
            await story(heroku, api)

    asyncio.run(asyncio.wait_for(run(), 60))


async def read(url: str, **headers: str) -> tuple[str, str]:
    """A stream up to its end or its breaking: what came, and its content type."""
    text = ""
    async with httpx.AsyncClient(timeout=20) as plain, plain.stream("GET", url, headers=headers) as answer:
        try:
            async for piece in answer.aiter_text():
                text += piece
        except httpx.RemoteProtocolError:
            text += "<broken>"
        return text, answer.headers["content-type"]


def events(text: str) -> list[tuple[str, str]]:
    """Server-sent events as (id, data)."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            id = next((line[4:] for line in lines if line.startswith("id: ")), "")
            found.append((id, "\n".join(line[6:] for line in lines if line.startswith("data: "))))
    return found


def test_build_output_has_fillers_and_can_be_resumed_by_offset() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        url = (await build(api, "chat", SLOW))["output_stream_url"]
        plain, kind = await read(url, Accept="*/*")
        assert kind.startswith("text/plain")
        assert "\0" in plain
        whole = plain.replace("\0", "")
        half = len(whole.encode()) // 2
        rest, kind = await read(url, **{"Accept": "text/event-stream", "Last-Event-ID": str(half)})
        assert kind == "text/event-stream"
        assert "".join(data for _, data in events(rest)) == whole.encode()[half:].decode()
        assert (await read(url, Range=f"{half}-"))[0] == whole.encode()[half:].decode()
        assert (await read(url, Range=f"bytes={half}-"))[0] == whole

    tell(story)


def test_build_output_as_events_says_its_offsets_and_keeps_alive() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        url = (await build(api, "chat", SLOW))["output_stream_url"]
        text, _ = await read(url, Accept="text/event-stream")
        assert ":keepalive" in text
        end = events(text)[-1][0]
        async with httpx.AsyncClient() as plain:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": end}
            assert (await plain.get(url, headers=headers)).status_code == 204
            assert (await plain.get(url, headers=headers | {"Last-Event-ID": "999999"})).status_code == 416
            assert (await plain.get(url + "x")).status_code == 404

    tell(story)


@pytest.mark.parametrize("clean", [True, False])
def test_a_stream_can_be_cut(clean: bool) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.inject(Cut(stream="build", after=20, clean=clean))
        url = (await build(api, "chat", SLOW))["output_stream_url"]
        text, _ = await read(url)
        assert text == "-----> Building on t" + ("" if clean else "<broken>")
        assert "Released v3" in await output(url)

    tell(story)


async def session(api: httpx.AsyncClient, **wanted: object) -> str:
    return str((await api.post("/apps/chat/log-sessions", json=wanted)).json()["logplex_url"])


def test_log_lines_come_as_text_or_events() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.app("chat").log.write("app", "web.1", "one", "two")
        url = await session(api, lines=2)
        text, kind = await read(url)
        assert kind.startswith("text/plain")
        assert re.fullmatch(r"(\S+\+00:00 app\[web\.1\]: (one|two)\n){2}", text)
        text, kind = await read(url, Accept="text/event-stream")
        assert [data.split(": ")[1] for _, data in events(text)] == ["one", "two"]
        assert events(text)[0][0].isdigit()

    tell(story)


def test_a_tail_is_kept_alive_filtered_and_ended() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        log = heroku.app("chat").log
        reading = asyncio.create_task(read(await session(api, tail=True, lines=0, source="app", dyno="web.1")))
        await until(lambda: _settled(bool(log.tails)))
        log.write("app", "web.1", "wanted")
        log.heroku("router", "not wanted")
        await asyncio.sleep(0.5)
        log.close_tails()
        text, _ = await reading
        assert text.count("\0") >= 1
        assert re.fullmatch(r"\S+ app\[web\.1\]: wanted\n", text.replace("\0", ""))
        assert not log.tails

    tell(story)


async def _settled(value: bool) -> bool:
    return value


def test_a_session_that_nobody_opened_in_time_is_gone() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        url = await session(api, tail=True)
        await asyncio.sleep(0.2)
        async with httpx.AsyncClient() as plain:
            assert (await plain.get(url)).status_code == 404

    tell(story, session_unopened=0.1)


def test_the_ring_and_long_lines_are_bounded_and_overflow_is_told() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        log = heroku.app("chat").log
        log.write("app", "web.1", "x" * 25_000, *("y" for _ in range(2000)))
        assert len((await read(await session(api, lines=1500)))[0].splitlines()) == 1500
        log.write("app", "web.1", "x" * 25_000)
        assert [len(line.message) for line in list(log.lines)[-3:]] == [10_000, 10_000, 5_000]
        reading = asyncio.create_task(read(await session(api, tail=True)))
        await until(lambda: _settled(bool(log.tails)))
        log.write("app", "web.1", *("z" for _ in range(80)))
        await asyncio.sleep(0.2)
        log.close_tails()
        assert "Error L11 (Tail buffer overflow) -> This tail session dropped 30 messages" in (await reading)[0]

    tell(story, tail_lines=50)


def test_a_flood_of_lines_reaches_a_tail_whole() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        flood = "for (let n = 0; n < 60000; n++) console.log('line ' + n); console.log('end'); setInterval(() => {}, 1000);"
        reading = asyncio.create_task(read(await session(api, tail=True, lines=0, source="app")))
        await until(lambda: _settled(bool(heroku.app("chat").log.tails)))
        await deploy(api, "chat", source({"server.js": flood}))
        await logged(heroku, "chat", "app[web.1]: end")
        heroku.app("chat").log.close_tails()
        numbers = re.findall(r"app\[web\.1\]: line (\d+)", (await reading)[0])
        assert numbers == [str(number) for number in range(60_000)]

    tell(story)


def test_runtime_metrics_come_to_those_who_asked() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await api.patch("/apps/chat/features/log-runtime-metrics", json={"enabled": True})
        await deploy(api, "chat", source())
        line = await logged(heroku, "chat", "sample#memory_total=")
        assert re.search(
            r"source=web\.1 dyno=heroku\.\d+\.[0-9a-f-]{36} sample#memory_total=\d+\.\d\dMB .*memory_quota=512\.00MB", line
        )
        assert re.search(r"load_avg_1m=\d+\.\d\d sample#load_avg_5m=\d", await logged(heroku, "chat", "sample#load_avg_1m="))

    tell(story, metrics=0.3)


def test_drains_get_lines_in_logplex_frames() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        got: list[tuple[str, bytes]] = []

        async def take(request: web.Request) -> web.Response:
            got.append((request.headers["Logplex-Drain-Token"], await request.read()))
            return web.Response()

        runner = web.ServerRunner(web.Server(take))  # type: ignore[arg-type]
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/logs"
        drain = (await api.post("/apps/chat/log-drains", json={"url": url})).json()
        await until(lambda: _settled(bool(heroku.app("chat").log.tails)))
        heroku.app("chat").log.write("app", "web.1", "hello")
        await until(lambda: _settled(bool(got)))
        await runner.cleanup()
        token, body = got[0]
        size, _, message = body.partition(b" ")
        assert (token, int(size)) == (drain["token"], len(message))
        assert re.fullmatch(rb"<190>1 \S+ host app web\.1 - hello\n", message)

    tell(story)


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


async def rendezvous(heroku: Emulator, url: str, keys: bytes) -> str:
    """Comes to a one-off dyno as its client, types `keys`, reads to the end."""
    place = urlsplit(url)
    trust = ssl.create_default_context(cafile=str(heroku.ca_file))
    reader, writer = await asyncio.open_connection(place.hostname, place.port, ssl=trust)
    writer.write(place.path[1:].encode() + b"\r\n")
    assert await reader.readline() == b"rendezvous\r\n"
    writer.write(keys)
    text = (await reader.read()).decode()
    writer.close()
    return text


@pytest.mark.parametrize(
    ("options", "keys", "answer"),
    [
        ({"force_no_tty": True}, b"hello\x04", "run.9 hello|exit 3\n"),
        ({"env": {"COLUMNS": "133"}}, b"hello\n", "hello\r\nrun.9 hello|exit 3\r\n"),
    ],
)
def test_one_off_dynos_meet_their_client_over_tls(options: dict[str, Any], keys: bytes, answer: str) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        command = "read word; echo ${DYNO%%[0-9]*}9 $word'|exit' 3; exit 3"
        dyno = (await api.post("/apps/chat/dynos", json={"command": command, "attach": True, **options})).json()
        assert await rendezvous(heroku, dyno["attach_url"], keys) == answer
        await logged(heroku, "chat", f"heroku[{dyno['name']}]: Process exited with status 3")
        assert dyno["name"] not in heroku.app("chat").dynos

    tell(story, serving=True)


def test_a_stranger_to_the_certificate_or_the_secret_learns_nothing() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        dyno = (await api.post("/apps/chat/dynos", json={"command": "env", "attach": True})).json()
        place = urlsplit(dyno["attach_url"])
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(place.hostname, place.port, ssl=ssl.create_default_context())
        assert await rendezvous(heroku, dyno["attach_url"] + "x", b"") == ""

    tell(story, serving=True)


def test_detached_dynos_write_to_the_log_and_may_not_live_for_ever() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        body = {"command": "echo $WORD; sleep 60", "env": {"WORD": "hello"}, "time_to_live": 1}
        dyno = (await api.post("/apps/chat/dynos", json=body)).json()
        await logged(heroku, "chat", f"app[{dyno['name']}]: hello")
        await logged(heroku, "chat", f"heroku[{dyno['name']}]: State changed from up to complete")

    tell(story, serving=True)


def test_a_dyno_gets_the_config_vars_of_its_release() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await api.patch("/apps/chat/config-vars", json={"GREETING": 'it\'s "fine" $HOME'})
        answer = await api.get(heroku.app("chat").web_url)
        assert json.loads(answer.text)["env"]["GREETING"] == 'it\'s "fine" $HOME'

    tell(story, serving=True)
