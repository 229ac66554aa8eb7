"""The HTTP side of a worker: page, health, metrics, history, and the gate before the upgrade."""

import asyncio
import json
import select
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.needs import need
from tests.sample_app.chatter import connect, join
from tests.servers import Chat, start_chat

OPERATOR = {"Authorization": "Bearer operator"}


def test_the_page_is_served_with_a_strict_policy_and_an_etag(chat: Chat) -> None:
    answer, body = chat.get("/")
    assert (answer.status, b"<html" in body) == (200, True)
    nothing = {f"{name} 'none'" for name in ("base-uri", "form-action", "frame-ancestors", "object-src")}
    assert set((answer.headers["Content-Security-Policy"] or "").split("; ")) == {"default-src 'self'", *nothing}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    # Heroku's router keeps a connection for 90 s: the server must not be the one who hangs up.
    assert answer.headers["Keep-Alive"] == "timeout=95"
    again, rest = chat.get("/", {"If-None-Match": answer.headers["ETag"] or ""})
    assert (again.status, rest) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/../package.json", "/%2e%2e/server.js", "/package.json", "/.env", "/metrics", "/echo", "//x"]
)
def test_nothing_else_is_served(chat: Chat, path: str) -> None:
    answer, body = chat.get(path)
    assert (answer.status, json.loads(body)) == (404, {"error": "not found"})


def test_a_request_that_offers_http_2_is_answered_as_any_other(chat: Chat) -> None:
    answer, _ = chat.get("/live", {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"})
    assert answer.status == 200


def test_health_tells_the_public_little_and_the_operator_all(folder: Path) -> None:
    with start_chat(folder, env={"OPS_TOKEN": "operator"}) as chat:
        answer, body = chat.get("/health")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/health+json")
        assert json.loads(body) == {"status": "pass", "release": "r1"}
        assert json.loads(chat.get("/health", {"Authorization": "Bearer wrong"})[1]) == {"status": "pass", "release": "r1"}
        full = json.loads(chat.get("/health", OPERATOR)[1])
        assert (full["worker"], full["connections"], full["draining"]) == ("w1", 0, False)
        assert full["checks"]["store:responseTime"][0]["componentId"] == "sqlite"
        assert full.keys() == chat.operate("GET", "/health").keys()
        assert json.loads(chat.get("/live")[1]) == {"status": "pass"}
        assert chat.get("/metrics", OPERATOR)[0].status == 200


def test_the_history_of_a_room_over_http(chat: Chat) -> None:
    def page(query: str) -> tuple[int, Any]:
        answer, body = chat.get(f"/api/rooms/lobby/messages{query}")
        return answer.status, json.loads(body)

    async def talk() -> None:
        async with join(chat.socket) as line:
            for number in range(5):
                await line.say(str(number))
            while (await line.next("ack"))["seq"] < 5:
                pass

    asyncio.run(talk())
    assert [m["seq"] for m in page("")[1]["messages"]] == [1, 2, 3, 4, 5]
    assert [m["text"] for m in page("?after=1&limit=2")[1]["messages"]] == ["1", "2"]
    for bad in ("?after=x", "?after=-1", "?limit=0", "?limit=501", "?limit=x"):
        assert page(bad)[0] == 400
    assert chat.get("/api/rooms/a%20b/messages")[0].status == 400
    assert chat.get("/api/rooms/%ff/messages")[0].status == 400


def test_the_history_needs_the_token_that_the_chat_needs(folder: Path) -> None:
    with start_chat(folder, env={"SESSION_SECRET": "s", "REQUIRE_TOKEN": "1"}) as chat:
        assert chat.get("/api/rooms/lobby/messages")[0].status == 401


def refusal(chat: Chat, **options: Any) -> int:
    """The HTTP status of a refused upgrade; 101 where it was accepted."""

    async def knock() -> int:
        try:
            async with connect(chat.socket, **options):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    return asyncio.run(knock())


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        (None, "http://localhost", 101),
        (None, "http://localhost.evil.example", 403),
        (None, "null", 403),
        ("https://chat.example.com, https://b.example", "https://B.example", 101),
        ("https://chat.example.com", "http://localhost", 403),
    ],
)
def test_a_browser_must_come_from_an_allowed_origin(folder: Path, allowed: str | None, origin: str, status: int) -> None:
    with start_chat(folder, env={"ALLOWED_ORIGINS": allowed} if allowed else {}) as chat:
        assert refusal(chat, origin=origin) == status
        assert chat.metric("chat_handshakes_rejected_total", reason="origin") == (status == 403)


def test_connections_are_capped_per_address_and_in_all(folder: Path) -> None:
    def come(*address: str) -> dict[str, Any]:
        return {"additional_headers": [("X-Forwarded-For", part) for part in address]}

    async def knock(chat: Chat) -> None:
        async with connect(chat.socket, **come("6.6.6.6, 1.1.1.1")), connect(chat.socket, **come("1.1.1.1")):
            with pytest.raises(InvalidStatus, match="429"):
                async with connect(chat.socket, **come("9.9.9.9, 1.1.1.1")):
                    pass
            async with connect(chat.socket, **come("2.2.2.2")), connect(chat.socket):
                with pytest.raises(InvalidStatus, match="503"):
                    async with connect(chat.socket):
                        pass
        async with connect(chat.socket, **come("1.1.1.1")):
            pass

    with start_chat(folder, env={"MAX_CONNECTIONS_PER_ADDRESS": "2", "MAX_CONNECTIONS": "4"}) as chat:
        asyncio.run(knock(chat))


def test_metrics_follow_the_naming_rules(chat: Chat) -> None:
    async def talk() -> None:
        async with join(chat.socket) as line:
            await line.say("x")
            await line.next("message")

    asyncio.run(talk())
    promtool = need("promtool", "prometheus")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=chat.metrics(), text=True, capture_output=True, check=False, timeout=30
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert chat.metric("chat_deliveries_total", worker="w1") >= 1
    assert chat.metric("chat_send_ack_seconds_count") == 1
    series = [line for line in chat.metrics().splitlines() if not line.startswith("#") and line]
    assert all('worker="w1"' in line for line in series)


def test_a_refused_handshake_leaves_no_connection_behind(chat: Chat) -> None:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(10)
        stream.connect(str(chat.socket))
        stream.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        answer = b"".join(iter(lambda: stream.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
        closed = select.poll()
        closed.register(stream, select.POLLHUP)  # comes with the whole end, not with that of the answer
        assert closed.poll(10_000)
