"""What the probe says was felt, against a chat that loses, doubles and drains on command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from chatops.events import Impact
from chatops.goals import Plan, Restart
from chatops.model import App, State
from chatops.probe import Probe, Requests, percentiles, prober

APP = App("chat", Path("/x"), websocket="/ws")


class Room:
    """A chat server of one room; `lose`, `double`, `down` and `busy` (each message is refused once) make it worse."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.members: set[ServerConnection] = set()
        self.refused: set[str] = set()
        self.lose = self.double = self.down = self.busy = False

    async def connection(self, socket: ServerConnection) -> None:
        hello = json.loads(await socket.recv())
        ((room, last),) = hello["rooms"].items()
        self.members.add(socket)
        missed = [] if self.lose else self.messages[last or 0 :]
        await socket.send(json.dumps({"type": "history", "room": room, "messages": missed, "reset": False}))
        try:
            async for text in socket:
                await self.take(socket, json.loads(text))
        finally:
            self.members.discard(socket)

    async def take(self, socket: ServerConnection, frame: dict[str, Any]) -> None:
        if self.busy and frame["cid"] not in self.refused:
            self.refused.add(frame["cid"])
            error = {"type": "error", "code": "unavailable", "cid": frame["cid"], "retry_after_ms": 100}
            return await socket.send(json.dumps(error))
        known = next((one for one in self.messages if one["cid"] == frame["cid"]), None)
        copies = 2 if self.double else 1
        for _ in range(copies if known is None or self.double else 0):
            message = {"type": "message", "seq": len(self.messages) + 1, "cid": frame["cid"], "text": frame["text"]}
            self.messages.append(message)
            known = message
            if not self.lose:
                for member in list(self.members):
                    await member.send(json.dumps(message))
        assert known
        await socket.send(json.dumps({"type": "ack", "cid": frame["cid"], "seq": known["seq"]}))

    def answer(self, socket: ServerConnection, request: Request) -> Response | None:
        if request.path == "/health":
            return socket.respond(503 if self.down else 200, "{}")
        return None

    async def drain(self) -> None:
        for member in list(self.members):
            await member.send(json.dumps({"type": "drain", "reconnect_in_ms": 20}))


@asynccontextmanager
async def chat() -> AsyncIterator[tuple[Room, str, Server]]:
    room = Room()
    async with serve(room.connection, "127.0.0.1", 0, process_request=room.answer) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield room, f"http://127.0.0.1:{port}", server


def felt(trouble: str = "", seconds: float = 1.2) -> tuple[Impact | None, Probe]:
    async def run() -> tuple[Impact | None, Probe]:
        async with chat() as (room, url, _):
            probe = Probe(url, APP)
            probe.settle = 2.0
            await probe.start()
            await asyncio.sleep(seconds / 2)
            if trouble == "drain":
                await room.drain()
            elif trouble == "cut":
                for member in list(room.members):
                    member.transport.abort()
            elif trouble:
                setattr(room, trouble, True)
            await asyncio.sleep(seconds / 2)
            room.down = False
            return await probe.stop(), probe

    return asyncio.run(run())


def test_a_good_chat_feels_good() -> None:
    impact, probe = felt()
    assert impact
    assert impact.requests >= 10
    assert impact.messages >= 6
    assert (impact.failed, impact.lost, impact.doubled, probe.reconnects) == (0, 0, 0, 0)
    assert set(probe.latencies()["messages"]) == {"p50", "p95", "p99", "max"}


def test_what_a_server_can_t_take_now_is_said_again() -> None:
    impact, probe = felt("busy")
    assert impact
    assert impact.messages >= 6
    assert (impact.failed, impact.lost, impact.doubled, probe.reconnects) == (0, 0, 0, 0)


@pytest.mark.parametrize("trouble", ["drain", "cut"])
def test_moving_over_and_coming_back_lose_nothing(trouble: str) -> None:
    impact, probe = felt(trouble)
    assert impact
    assert (impact.failed, impact.lost, impact.doubled) == (0, 0, 0)
    assert (probe.reconnects > 0) == (trouble == "cut")


def test_lost_messages_are_counted() -> None:
    impact, _ = felt("lose")
    assert impact
    assert 0 < impact.lost < impact.messages


def test_doubled_messages_are_counted() -> None:
    impact, _ = felt("double")
    assert impact
    assert impact.doubled > 0


def test_failed_requests_are_counted() -> None:
    impact, _ = felt("down")
    assert impact
    assert 0 < impact.failed < impact.requests
    assert impact.longest_gap_ms >= 300


def test_nothing_that_answers_is_nothing_felt() -> None:
    async def run() -> Impact | None:
        probe = Probe("http://127.0.0.1:1", APP)
        await probe.start()
        await asyncio.sleep(0.1)
        return await probe.stop()

    assert asyncio.run(run()) is None
    assert prober(State(target="t", kind="local"), APP, Plan(Restart())) is None


def test_an_answer_that_takes_longer_than_the_change_is_waited_for() -> None:
    async def run() -> Impact | None:
        asked, go = asyncio.Event(), asyncio.Event()

        async def late(socket: ServerConnection, _: Request) -> Response:
            asked.set()
            await go.wait()
            return socket.respond(200, "{}")

        async with serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0, process_request=late) as server:
            probe = Probe(f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", App("chat", Path("/x")))
            await probe.start()
            await asked.wait()
            stopping = asyncio.create_task(probe.stop())
            asyncio.get_running_loop().call_later(0.5, go.set)
            return await stopping

    impact = asyncio.run(run())
    assert impact is not None and impact.failed == 0 and impact.longest_gap_ms >= 400


@pytest.mark.parametrize("apart", [False, True])
def test_nobody_talks_where_messages_are_not_carried_over(apart: bool) -> None:
    async def run() -> Impact | None:
        async with chat() as (_, url, _):
            probe = prober(State(target="t", kind="vps", url=url), APP, Plan(Restart(), apart=apart))
            assert probe
            await probe.start()
            await probe.ready()
            return await probe.stop()

    impact = asyncio.run(run())
    assert impact
    assert impact.requests > 0
    assert (impact.messages > 0, impact.lost) == (not apart, 0)


def test_a_gap_lasts_from_the_first_question_to_the_next_good_answer() -> None:
    requests = Requests()
    for begun, ended, good in [
        (0, 0.1, False),
        (1, 1.01, True),
        (2, 2.1, False),
        (3, 3.1, False),
        (4, 4.5, True),
        (5, 5.2, True),
    ]:
        requests.add(begun, ended, good)
    assert (requests.count, requests.failed) == (5, 2)
    assert requests.longest_gap == 2.5


def test_percentiles() -> None:
    assert percentiles([]) == {}
    assert percentiles([0.001] * 99 + [0.1])["max"] == 100
