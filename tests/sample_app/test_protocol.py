"""The chat protocol, spoken with one worker on either store."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.sample_app.chatter import Line, connect, join
from tests.servers import Chat, start_chat

SECRET = "a secret of the tests"


def fresh_room() -> str:
    """The session's PostgreSQL is shared: every test has a room of its own."""
    return f"room-{uuid.uuid4().hex[:12]}"


def test_hello_is_answered_by_welcome_history_and_presence(chat: Chat) -> None:
    async def session() -> list[dict[str, Any]]:
        async with connect(chat.socket) as line:
            await line.send(type="hello", name="  ana   b ", rooms={"lobby": None})
            return [await line.next() for _ in range(3)]

    welcome, history, presence = asyncio.run(session())
    assert welcome | {"session": "s"} == {
        "type": "welcome", "session": "s", "worker": "w1", "release": "r1", "heartbeat_ms": 25000, "name": "ana b",
    }  # fmt: skip
    assert history == {"type": "history", "room": "lobby", "messages": [], "reset": False}
    assert presence == {"type": "presence", "room": "lobby", "members": ["ana b"], "total": 1}


def test_a_message_is_stored_acknowledged_and_delivered_once(folder: Path, store_env: dict[str, str]) -> None:
    room = fresh_room()

    async def session(chat: Chat) -> None:
        async with join(chat.socket, "ana", room=room) as ana, join(chat.socket, "bob", room=room) as bob:
            cid = await ana.say("hé\u0000llo\u202e", room)
            assert await ana.next("ack") == {"type": "ack", "cid": cid, "room": room, "seq": 1}
            message = await bob.next("message")
            assert message | {"time": "t"} == {
                "type": "message", "room": room, "seq": 1, "from": "ana", "text": "héllo", "time": "t", "cid": cid,
            }  # fmt: skip
            await ana.say("hé\u0000llo\u202e", room, cid)
            assert (await ana.next("ack"))["seq"] == 1
            cid = await ana.say("next", room)
            told = [await ana.next("ack", "message") for _ in range(2)]
            assert [(frame["type"], frame["cid"]) for frame in told] == [("ack", cid), ("message", cid)]
            assert (await bob.next("message"))["seq"] == 2

    with start_chat(folder, env=store_env | {"LOG_LEVEL": "debug"}) as chat:
        asyncio.run(session(chat))
        assert chat.metric("chat_messages_received_total", result="duplicate") == 1
        assert "llo" not in chat.process.log.read_text()


def test_resume_replays_what_is_missing_and_resets_beyond_500(folder: Path, store_env: dict[str, str]) -> None:
    room = fresh_room()

    async def history(chat: Chat, after: int | None) -> tuple[list[int], bool]:
        async with connect(chat.socket) as line:
            await line.send(type="hello", name="bob", rooms={room: after})
            frame = await line.next("history")
            return [message["seq"] for message in frame["messages"]], frame["reset"]

    async def session(chat: Chat) -> None:
        async with join(chat.socket, "ana", room=room) as ana:
            for number in range(600):
                await ana.say(str(number), room)
            while (await ana.next("ack"))["seq"] < 600:
                pass
        assert await history(chat, None) == (list(range(551, 601)), False)
        assert await history(chat, 598) == ([599, 600], False)
        assert await history(chat, 600) == ([], False)
        assert await history(chat, 100) == (list(range(101, 601)), False)
        assert await history(chat, 99) == (list(range(551, 601)), True)
        assert await history(chat, 601) == (list(range(551, 601)), True)

    with start_chat(folder, env=store_env | {"MESSAGES_PER_SECOND": "1000"}) as chat:
        asyncio.run(session(chat))
    with start_chat(folder, env=store_env) as chat:
        assert asyncio.run(history(chat, 597)) == ([598, 599, 600], False)


BAD_FRAMES = [
    ("{", "not JSON"),
    ("[]", "no frame type"),
    ("null", "no frame type"),
    ('{"type":"dance"}', "unknown frame type"),
    ('{"type":"hello","name":"x"}', "hello came twice"),
    ('{"type":"join","room":"a b"}', "a room name has"),
    ('{"type":"join","room":"ok","after":-1}', "`after` is no sequence number"),
    ('{"type":"send","room":"lobby","text":"x"}', "no `cid`"),
    ('{"type":"send","room":"lobby","text":"\\u0007 ","cid":"12345678"}', "the message is empty"),
    ('{"type":"send","room":"elsewhere","text":"x","cid":"12345678"}', "join the room first"),
]


@pytest.mark.parametrize(("frame", "message"), BAD_FRAMES)
def test_a_bad_frame_is_answered_and_the_connection_stays(chat: Chat, frame: str, message: str) -> None:
    async def session() -> None:
        async with join(chat.socket) as line:
            await line.connection.send(frame)
            error = await line.next("error")
            assert error["code"] == "bad_frame"
            assert message in error["message"]
            assert ("cid" in error) == ("12345678" in frame)
            await line.send(type="ping", t=7)
            assert await line.next("pong") == {"type": "pong", "t": 7}

    asyncio.run(session())


@pytest.mark.parametrize("name", ["", " ", "x" * 33, "<b>", "a\u202eb", "a\nb", 7, None])
def test_a_bad_name_is_refused(chat: Chat, name: object) -> None:
    async def session() -> None:
        async with connect(chat.socket) as line:
            await line.send(type="hello", name=name, rooms={})
            assert (await line.next())["code"] == "bad_frame"

    asyncio.run(session())


def test_limits_of_size_and_rate(chat: Chat) -> None:
    async def session() -> None:
        async with join(chat.socket) as line:
            cid = await line.say("x" * 4001)
            error = await line.next("error")
            assert (error["code"], error["cid"]) == ("too_large", cid)
            for _ in range(41):
                await line.say("x")
            error = await line.next("error")
            assert (error["code"], error["retry_after_ms"] > 0) == ("rate_limited", True)
            await line.connection.send("x" * 40_000)
            assert await line.closed() == 1009
        async with join(chat.socket) as line:
            limited = chat.metric("chat_messages_received_total", result="rate_limited")
            for _ in range(400):
                await line.send(type="ping", t=0)
            assert await line.closed() == 1008
            assert chat.metric("chat_messages_received_total", result="rate_limited") == limited + 1
        assert chat.metric("chat_connections_closed_total", code="1009") == 1
        assert chat.metric("chat_connections_closed_total", code="1008") == 1

    asyncio.run(session())


def test_who_waits_as_told_is_heard_at_the_first_repeat(chat: Chat) -> None:
    async def session() -> None:
        async with join(chat.socket) as line:
            last = [await line.say("x") for _ in range(45)][-1]
            while (error := await line.next("error"))["cid"] != last:
                pass
            await asyncio.sleep(error["retry_after_ms"] / 1000)
            again = await line.say("again")
            while (frame := await line.next("ack", "error"))["cid"] != again:
                pass
            assert frame["type"] == "ack"

    asyncio.run(session())


def test_typing_presence_and_leaving(chat: Chat) -> None:
    async def session() -> None:
        async with join(chat.socket, "ana") as ana:
            async with join(chat.socket, "bob") as bob:
                assert (await ana.next("presence"))["members"] == ["ana", "bob"]
                await bob.send(type="typing", room="lobby")
                assert await ana.next("typing") == {"type": "typing", "room": "lobby", "from": "bob"}
                await bob.send(type="leave", room="lobby")
                assert (await ana.next("presence"))["members"] == ["ana"]
                await ana.say("alone")
                assert (await ana.next("message"))["text"] == "alone"
                await bob.send(type="join", room="lobby", after=0)
                assert [m["text"] for m in (await bob.next("history"))["messages"]] == ["alone"]
                assert (await ana.next("presence"))["members"] == ["ana", "bob"]
            assert (await ana.next("presence"))["members"] == ["ana"]

    asyncio.run(session())


FAR = 4_102_444_800  # the year 2100


def token(name: str, expires: float, secret: str = SECRET) -> str:
    body = base64.urlsafe_b64encode(json.dumps({"name": name, "exp": expires}).encode()).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).rstrip(b"=")
    return f"{body.decode()}.{signature.decode()}"


@pytest.mark.parametrize(
    ("given", "required", "welcome"),
    [
        (token("real", FAR), True, "real"),
        (token("real", FAR), False, "real"),
        (token("real", 1), False, None),
        (token("real", FAR, "another secret"), False, None),
        ("x.y", False, None),
        (None, True, None),
        (None, False, "claimed"),
    ],
)
def test_tokens(folder: Path, given: str | None, required: bool, welcome: str | None) -> None:
    async def session(chat: Chat) -> None:
        async with connect(chat.socket) as line:
            await line.send(type="hello", name="claimed", rooms={}, token=given)
            frame = await line.next()
            if welcome:
                assert frame["name"] == welcome
            else:
                assert frame["code"] == "unauthorized"
                assert await line.closed() == 1008

    env = {"SESSION_SECRET": SECRET} | ({"REQUIRE_TOKEN": "1"} if required else {})
    with start_chat(folder, env=env) as chat:
        asyncio.run(session(chat))
        assert SECRET not in chat.process.log.read_text()
        if given:
            assert given not in chat.process.log.read_text()


def test_a_large_history_arrives_whole_and_costs_little_where_nobody_reads_it(folder: Path) -> None:
    """Six megabytes: as many as the texts of 500 messages can have."""

    async def read_all(line: Line) -> list[int]:
        seqs: list[int] = []
        while len(seqs) < 500:
            seqs += [message["seq"] for message in (await line.next("history"))["messages"]]
        return seqs

    async def session(chat: Chat) -> None:
        async with join(chat.socket) as ana, contextlib.AsyncExitStack() as stack:
            for last in range(25, 501, 25):
                for _ in range(25):
                    await ana.say("日" * 3990)
                while (await ana.next("message"))["seq"] < last:
                    pass
            for _ in range(10):
                stalled = await stack.enter_async_context(connect(chat.socket, close_timeout=0))
                stalled.connection.transport.pause_reading()
                await stalled.send(type="hello", name="deaf", rooms={"lobby": 0})
            async with connect(chat.socket) as line:
                await line.send(type="hello", name="bob", rooms={"lobby": 0})
                assert await read_all(line) == list(range(1, 501))
            assert chat.metric("chat_connections") == 11
            assert chat.metric("chat_send_buffer_bytes") < 10 * 400_000

    with start_chat(folder, env={"MESSAGES_PER_SECOND": "1000"}) as chat:
        asyncio.run(session(chat))


def test_a_reader_that_stalls_is_cut_and_the_others_go_on(folder: Path) -> None:
    async def session(chat: Chat) -> None:
        waiting = []
        async with join(chat.socket, "slow") as slow, join(chat.socket, "ana") as ana:
            slow.connection.transport.pause_reading()
            for _ in range(600):
                await ana.say("x" * 4000)
                await ana.next("message")
                waiting.append(chat.metric("chat_send_buffer_bytes"))
            slow.connection.transport.resume_reading()
            assert await slow.closed() == 1006
        assert 500_000 < max(waiting) < 2_000_000

    with start_chat(folder, env={"MESSAGES_PER_SECOND": "1000"}) as chat:
        asyncio.run(session(chat))
        assert chat.metric("chat_slow_consumers_total") == 1
