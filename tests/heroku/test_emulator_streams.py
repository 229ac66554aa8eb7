"""The emulated streams: build output, log sessions, drains."""

import asyncio
import re

import httpx
import pytest
from aiohttp import web

from tests.heroku.emulator import Cut, Emulator
from tests.heroku.sources import build, deploy, output, source
from tests.heroku.stories import tell
from tests.heroku.waiting import logged, until

SLOW = source({"package.json": '{"scripts": {"build": "for n in 1 2 3; do echo step $n; sleep 0.4; done"}}'})


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
