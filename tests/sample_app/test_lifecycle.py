"""How a worker is born and dies: sockets, signals, hand-over, kept-alive connections."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.needs import need_node
from tests.packages import install
from tests.sample_app.chatter import join
from tests.sample_app.test_faults import signal_family
from tests.servers import SAMPLE_APP, Chat, Server, UnixConnection, launch_chat, listens, start_chat


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_worker_in_good_order(chat: Chat, sign: signal.Signals) -> None:
    async def session() -> None:
        async with join(chat.socket, "ana") as polite, join(chat.socket, "bob") as deaf:
            cid = await deaf.say("last words")
            chat.process.popen.send_signal(sign)
            assert (await deaf.next("ack"))["cid"] == cid
            assert 0 <= (await polite.next("drain"))["reconnect_in_ms"] <= 502
            await polite.connection.close()
            assert await deaf.closed() == 1012

    asyncio.run(session())
    assert chat.process.popen.wait(25) == 0
    assert not chat.socket.exists()
    assert not chat.operations.exists()
    assert [(line["msg"], line.get("code")) for line in chat.log[-2:]] == [("client gone", 1012), ("stopped", None)]
    assert chat.log[-1]["connections"] == 0
    assert {"service", "env", "release", "worker", "level", "time", "msg"} <= chat.log[-1].keys()


def test_kept_alive_connections_end_with_their_next_answer(chat: Chat) -> None:
    with contextlib.closing(UnixConnection(chat.socket)) as busy, contextlib.closing(UnixConnection(chat.socket)) as idle:
        for connection in (busy, idle):
            connection.request("GET", "/live")
            answer = connection.getresponse()
            assert (answer.read(), answer.headers["Connection"]) == (b'{"status":"pass"}', "keep-alive")
        chat.process.popen.send_signal(signal.SIGTERM)
        while chat.socket.exists():
            time.sleep(0.01)
        assert chat.operate("GET", "/health") | {"draining": True, "status": "fail"} == chat.operate("GET", "/health")
        assert chat.metric("chat_draining") == 1
        busy.request("GET", "/health")
        answer = busy.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (503, "close")
        assert json.loads(answer.read())["status"] == "fail"
        assert idle.sock.recv(1) == b""
    assert chat.process.popen.wait(25) == 0


def test_the_second_signal_ends_at_once(chat: Chat) -> None:
    async def session() -> float:
        async with join(chat.socket) as line:
            chat.process.popen.send_signal(signal.SIGTERM)
            await line.next("drain")
            started = time.monotonic()
            chat.process.popen.send_signal(signal.SIGTERM)
            await line.connection.wait_closed()
            return time.monotonic() - started

    assert asyncio.run(session()) < 0.5
    assert chat.process.popen.wait(5) == 1


def test_drain_hands_over_and_the_worker_keeps_serving(chat: Chat) -> None:
    async def session() -> None:
        async with join(chat.socket, "ana") as ana:
            assert chat.operate("POST", "/drain?window_ms=300") == {"connections": 1}
            assert 0 <= (await ana.next("drain"))["reconnect_in_ms"] < 300
            async with join(chat.socket, "bob") as bob:
                await bob.say("still here")
                assert (await ana.next("message"))["text"] == "still here"
        answer, body = chat.get("/health")
        assert (answer.status, answer.headers["Connection"], json.loads(body)["status"]) == (200, "close", "pass")
        assert chat.operate("GET", "/health")["draining"] is True
        chat.operate("POST", "/undrain")
        assert chat.get("/health")[0].headers["Connection"] == "keep-alive"
        assert chat.operate("POST", "/drain?window_ms=x") == {"error": "window_ms is 0 to 60000"}

    asyncio.run(session())


def test_a_dead_workers_socket_is_taken_over_and_a_living_ones_is_not(folder: Path) -> None:
    first = launch_chat(folder, "w1")
    first.process.kill()
    assert first.socket.exists()
    with start_chat(folder, "w1") as second:
        assert second.socket.stat().st_mode & 0o777 == 0o660
        env = {"PORT": str(second.socket), "DATA_DIR": str(folder)}
        third = subprocess.run([need_node(), SAMPLE_APP / "server.js"], env=env, capture_output=True, check=False, timeout=20)
        assert third.returncode == 1
        assert b"another process listens on" in third.stdout
        assert second.get("/health")[0].status == 200


@pytest.mark.parametrize(
    ("name", "value"), [("LOG_LEVEL", "verbose"), ("PORT", "70000"), ("REQUIRE_TOKEN", "1"), ("REDIS_URL", "nowhere")]
)
def test_a_setting_that_makes_no_sense_is_said_in_one_line(folder: Path, name: str, value: str) -> None:
    argv = [need_node(), install(SAMPLE_APP) / "server.js"]
    env = {"DATA_DIR": str(folder), "PORT": str(folder / "s"), name: value}
    ran = subprocess.run(argv, env=env, capture_output=True, check=False, timeout=20)
    assert ran.returncode == 1
    (line,) = ran.stderr.decode().splitlines()
    assert name in line or value in line or "URL" in line


def test_the_system_may_choose_the_port(folder: Path) -> None:
    env = {"PORT": "0", "DATA_DIR": str(folder)}
    with subprocess.Popen([need_node(), install(SAMPLE_APP) / "server.js"], env=env, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout
            assert listens(json.loads(child.stdout.readline())["port"])
        finally:
            child.kill()


def test_pm2_is_told_when_it_listens(folder: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        env = {"PORT": str(folder / "s"), "DATA_DIR": str(folder), "NODE_CHANNEL_FD": str(theirs.fileno())}
        child = subprocess.Popen(
            [need_node(), install(SAMPLE_APP) / "server.js"], env=env, pass_fds=[theirs.fileno()], stdout=subprocess.DEVNULL
        )
        ours.settimeout(10)
        assert ours.recv(100).strip() == b'"ready"'
        child.terminate()
        assert child.wait(20) == 0


@pytest.mark.parametrize("signals", [1, 2])
def test_a_worker_whose_log_nobody_reads_any_more_ends_all_the_same(folder: Path, signals: int) -> None:
    env = {"PORT": str(folder / "s"), "DATA_DIR": str(folder)}
    with subprocess.Popen([need_node(), install(SAMPLE_APP) / "server.js"], env=env, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert json.loads(child.stdout.readline())["level"] == "info"
        child.stdout.close()
        try:
            for _ in range(signals):
                child.terminate()
            assert child.wait(20) in (0, 1)
        finally:
            child.kill()


@pytest.mark.faults
def test_a_worker_whose_database_hangs_still_ends_in_time(folder: Path, postgres: Server) -> None:
    async def session(chat: Chat) -> None:
        async with join(chat.socket) as line:
            signal_family(postgres.process.pid, signal.SIGSTOP)
            cid = await line.say("into the void")
            await asyncio.sleep(0.1)
            chat.process.popen.send_signal(signal.SIGTERM)
            error = await line.next("error")
            assert (error["code"], error["cid"]) == ("unavailable", cid)
            assert await line.closed() == 1012

    with start_chat(folder, env={"DATABASE_URL": postgres.url}) as chat:
        started = time.monotonic()
        try:
            asyncio.run(session(chat))
            assert chat.process.popen.wait(30) == 0
        finally:
            signal_family(postgres.process.pid, signal.SIGCONT)
        assert time.monotonic() - started < 25
