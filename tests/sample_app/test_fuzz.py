"""Whatever a client or a browser sends, the worker answers or hangs up, and lives."""

import asyncio
import contextlib
import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.sample_app.chatter import Line, connect, join
from tests.servers import Chat, start_chat

TYPES = ["hello", "send", "join", "leave", "typing", "ping", "pong", "message", "__proto__", ""]
KEYS = ["type", "room", "rooms", "name", "text", "cid", "after", "token", "t", "__proto__", "constructor"]
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from(["lobby", "a" * 36])
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
frames = st.dictionaries(st.sampled_from(KEYS), values, max_size=7).map(json.dumps)
typed = st.builds(
    lambda kind, rest: json.dumps({**rest, "type": kind}),
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(KEYS), values, max_size=6),
)
payloads = typed | frames | st.text(max_size=100) | st.binary(max_size=100)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def worker() -> Iterator[Chat]:
    with tempfile.TemporaryDirectory(prefix="ct") as folder, start_chat(Path(folder), env={"SESSION_SECRET": "s"}) as chat:
        yield chat


def survives(worker: Chat, payload_list: list[str | bytes], greeted: bool) -> None:
    async def throw(line: Line) -> None:
        for payload in payload_list:
            await line.connection.send(payload)
        await line.send(type="hello", name="again", rooms={})
        await line.send(type="ping", t="end")
        while (frame := await line.next("pong", "error")).get("t") != "end":
            assert isinstance(frame, dict)

    async def session() -> None:
        with contextlib.suppress(ConnectionClosed):
            async with (join if greeted else connect)(worker.socket) as line:
                await throw(line)

    asyncio.run(session())
    assert worker.process.popen.poll() is None
    assert worker.get("/live")[0].status == 200


@quick
@given(st.lists(payloads, max_size=12), st.booleans())
def test_any_frames(worker: Chat, payload_list: list[Any], greeted: bool) -> None:
    survives(worker, payload_list, greeted)


targets = st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=60)
paths = st.sampled_from(
    ["", "/", "//", "/api/rooms/", "/health?", "/ws?", "http://", "*", "/%", "/api/rooms/%E0%A4%A/messages?after="]
)


@quick
@given(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]), paths, targets, st.booleans())
def test_any_request_line(worker: Chat, method: str, path: str, target: str, upgrade: bool) -> None:
    more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" if upgrade else "Connection: close\r\n"
    request = f"{method} {path}{target} HTTP/1.1\r\nHost: {target}\r\nOrigin: {target}\r\nAuthorization: {target}\r\n{more}\r\n"
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(worker.socket))
        line.sendall(request.encode("latin-1"))
        assert line.recv(12).startswith(b"HTTP/1.1 ")
    assert worker.process.popen.poll() is None
