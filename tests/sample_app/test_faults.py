"""Dependencies that die, hang and come back under load: nothing lost, nothing doubled, nothing crashes."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from tests.needs import need
from tests.sample_app.chatter import Line, chatters, check_dense, connect, converse, join
from tests.servers import Chat, Server, launch_chat, start_chat

SENDERS = 8
MESSAGES = 25
PAUSE = 0.12


@contextlib.contextmanager
def workers(folder: Path, env: dict[str, str], count: int = 2) -> Iterator[list[Chat]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(start_chat(folder, f"w{number}", env)) for number in range(count)]


async def through(chats: list[Chat], trouble: Callable[[], None]) -> None:
    """All talk on all workers while `trouble` happens in a thread; all must end with the dense set."""
    room = f"room-{uuid.uuid4().hex[:12]}"
    async with chatters(SENDERS, lambda: [chat.socket for chat in chats], room) as crowd:
        await asyncio.gather(converse(crowd, MESSAGES, PAUSE), asyncio.to_thread(trouble))
        await check_dense(crowd, SENDERS * MESSAGES)


def status(chat: Chat) -> str:
    return str(chat.operate("GET", "/health")["status"])


def wait_for(chats: list[Chat], wanted: str, seconds: float = 15) -> None:
    wait_until(lambda: all(status(chat) == wanted for chat in chats), seconds)


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.asynccontextmanager
async def join_waiting(chat: Chat) -> AsyncIterator[Line]:
    """A client that joins a room while the store is away: told so, and kept."""
    async with connect(chat.socket) as line:
        await line.send(type="hello", name="bob", rooms={"elsewhere": None})
        assert (await line.next("error"))["code"] == "unavailable"
        yield line


def signal_family(pid: int, sign: signal.Signals) -> None:
    """PostgreSQL has a process for every connection: all of them hang, or go on."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for member in [pid, *map(int, children)]:
        os.kill(member, sign)


def test_two_workers_on_either_store_agree(folder: Path, store_env: dict[str, str]) -> None:
    with workers(folder, store_env) as chats:
        asyncio.run(through(chats, lambda: None))


def test_redis_dies_and_comes_back(folder: Path, postgres: Server, redis: Server) -> None:
    def trouble() -> None:
        time.sleep(0.5)
        redis.process.kill()
        wait_for(chats, "warn")
        redis.process.start()
        wait_for(chats, "pass")

    with workers(folder, {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}) as chats:
        asyncio.run(through(chats, trouble))


def test_redis_hangs_and_goes_on(folder: Path, postgres: Server, redis: Server) -> None:
    def trouble() -> None:
        time.sleep(0.5)
        redis.process.pause()
        wait_for(chats, "warn")
        # A connection that is silent is given up after five seconds.
        wait_until(lambda: not any(chat.metric("chat_dependency_up", name="redis") for chat in chats))
        redis.process.resume()
        wait_for(chats, "pass")

    with workers(folder, {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}) as chats:
        asyncio.run(through(chats, trouble))


def test_without_redis_messages_cross_workers_within_two_seconds(folder: Path, postgres: Server, redis: Server) -> None:
    room = f"room-{uuid.uuid4().hex[:12]}"

    async def session(one: Chat, other: Chat) -> float:
        async with join(one.socket, "ana", room=room) as ana, join(other.socket, "bob", room=room) as bob:
            redis.process.kill()
            started = time.monotonic()
            await ana.say("across", room)
            await bob.next("message")
            return time.monotonic() - started

    with workers(folder, {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}) as (one, other):
        try:
            assert asyncio.run(session(one, other)) < 2
        finally:
            redis.process.start()


def test_hints_carry_messages_across_workers_at_once(folder: Path, postgres: Server, redis: Server) -> None:
    room = f"room-{uuid.uuid4().hex[:12]}"

    async def session(one: Chat, other: Chat) -> list[float]:
        async with join(one.socket, "ana", room=room) as ana, join(other.socket, "bob", room=room) as bob:
            delays = []
            for _ in range(20):
                started = time.monotonic()
                await ana.say("across", room)
                await bob.next("message")
                delays.append(time.monotonic() - started)
            await ana.send(type="typing", room=room)
            assert (await bob.next("typing"))["from"] == "ana"
            return sorted(delays)

    with workers(folder, {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}) as (one, other):
        assert asyncio.run(session(one, other))[10] < 0.2


def test_postgres_crashes_and_comes_back(folder: Path, postgres: Server) -> None:
    def trouble() -> None:
        time.sleep(0.5)
        postgres.process.stop(signal.SIGQUIT)
        wait_for(chats, "fail")
        assert all(chat.get("/health")[0].status == 503 for chat in chats)
        assert all(chat.get("/live")[0].status == 200 for chat in chats)
        answer, body = chats[0].get("/api/rooms/x/messages")
        assert (answer.status, body) == (503, b'{"error":"unavailable"}'), "the public is not told where the database is"
        postgres.process.start()
        wait_for(chats, "pass")

    with workers(folder, {"DATABASE_URL": postgres.url}) as chats:
        asyncio.run(through(chats, trouble))


def test_postgres_hangs_and_goes_on(folder: Path, postgres: Server) -> None:
    def trouble() -> None:
        time.sleep(0.5)
        signal_family(postgres.process.pid, signal.SIGSTOP)
        try:
            wait_for(chats, "fail")
        finally:
            signal_family(postgres.process.pid, signal.SIGCONT)
        wait_for(chats, "pass")

    with workers(folder, {"DATABASE_URL": postgres.url}) as chats:
        asyncio.run(through(chats, trouble))


def test_a_database_that_takes_long_refuses_nobody(folder: Path, postgres: Server) -> None:
    """Also not those who wait for one of its connections, for a stall of three seconds."""

    async def session(chat: Chat) -> None:
        async with join(chat.socket) as line:
            signal_family(postgres.process.pid, signal.SIGSTOP)
            ends = asyncio.get_running_loop().call_later(3, signal_family, postgres.process.pid, signal.SIGCONT)
            try:
                first = await line.say("meanwhile")
                reads = [asyncio.to_thread(chat.get, "/api/rooms/x/messages") for _ in range(6)]
                reading = asyncio.gather(*reads)
                await asyncio.to_thread(wait_for, [chat], "warn")
                assert (await asyncio.to_thread(chat.get, "/health"))[0].status == 200
                second = await line.say("and this")
                assert [(await line.next("ack"))["cid"] for _ in range(2)] == [first, second]
                assert {answer.status for answer, _ in await reading} == {200}
            finally:
                ends.cancel()
                signal_family(postgres.process.pid, signal.SIGCONT)

    with start_chat(folder, env={"DATABASE_URL": postgres.url}) as chat:
        asyncio.run(session(chat))
        wait_for([chat], "pass")


def test_sends_are_refused_with_a_retry_time_while_the_store_is_away(folder: Path, postgres: Server) -> None:
    async def session(chat: Chat) -> None:
        async with join(chat.socket) as line:
            postgres.process.stop(signal.SIGQUIT)
            cid = await line.say("x")
            error = await line.next("error")
            assert (error["code"], error["cid"], error["retry_after_ms"]) == ("unavailable", cid, 2000)
            async with join_waiting(chat) as waiting:
                postgres.process.start()
                assert (await waiting.next("history"))["room"] == "elsewhere"

    with start_chat(folder, env={"DATABASE_URL": postgres.url}) as chat:
        try:
            asyncio.run(session(chat))
        finally:
            if postgres.process.popen.poll() is not None:
                postgres.process.start()


def test_a_database_that_can_only_be_read_is_no_healthy_one(folder: Path, postgres: Server) -> None:
    """However often something is read meanwhile."""

    def make(read_only: bool) -> None:
        sql = f"ALTER SYSTEM SET default_transaction_read_only = {'on' if read_only else 'off'}"
        command = [psql, "-q", postgres.url, "-c", "SET default_transaction_read_only = off"]
        subprocess.run([*command, "-c", sql, "-c", "SELECT pg_reload_conf()"], check=True, timeout=20, capture_output=True)

    async def session(chat: Chat) -> None:
        async with join(chat.socket) as line:
            make(read_only=True)
            cid = await line.say("x")
            while (error := await line.next("error", "ack"))["type"] == "ack":
                cid = await line.say("x")
            assert (error["code"], error["cid"]) == ("unavailable", cid)
            began = time.monotonic()
            while time.monotonic() < began + 2:
                assert (await asyncio.to_thread(chat.get, "/api/rooms/lobby/messages"))[0].status == 200
                assert status(chat) == "fail"

    psql = need("psql", "postgresql-client")
    with start_chat(folder, env={"DATABASE_URL": postgres.url}) as chat:
        try:
            asyncio.run(session(chat))
        finally:
            make(read_only=False)
        wait_for([chat], "pass")


def test_both_databases_die_and_come_back(folder: Path, postgres: Server, redis: Server) -> None:
    """Nobody is hung up on, and nothing is lost."""

    def trouble() -> None:
        time.sleep(0.5)
        redis.process.kill()
        postgres.process.stop(signal.SIGQUIT)
        wait_for(chats, "fail")
        opened = [chat.metric("chat_connections_opened_total") for chat in chats]
        assert sum(chat.metric("chat_connections") for chat in chats) == SENDERS
        postgres.process.start()
        redis.process.start()
        wait_for(chats, "pass")
        assert [chat.metric("chat_connections_opened_total") for chat in chats] == opened

    with workers(folder, {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}) as chats:
        asyncio.run(through(chats, trouble))


def test_a_write_lock_of_somebody_else_stops_nothing_but_writing(folder: Path) -> None:
    """Held for as long as a send is waited for."""

    async def session(chat: Chat) -> None:
        async with join(chat.socket) as line, asyncio.timeout(30):
            await line.say("before")
            await line.next("ack")
            with contextlib.closing(sqlite3.connect(folder / "chat.sqlite")) as other:
                other.execute("BEGIN IMMEDIATE")
                cid = await line.say("meanwhile")
                refusal = asyncio.create_task(line.next("error"))
                delays = []
                while not refusal.done():
                    began = time.monotonic()
                    assert (await asyncio.to_thread(chat.get, "/live"))[0].status == 200
                    delays.append(time.monotonic() - began)
                error = await refusal
            assert max(delays) < 0.5
            assert (error["cid"], error["code"], error["retry_after_ms"]) == (cid, "unavailable", 2000)
            await asyncio.to_thread(wait_for, [chat], "pass")
            await line.say("meanwhile", cid=cid)
            assert (await line.next("ack"))["seq"] == 2

    with start_chat(folder) as chat:
        asyncio.run(session(chat))


def test_a_worker_that_starts_before_its_database_becomes_healthy(folder: Path, postgres: Server) -> None:
    postgres.process.stop(signal.SIGQUIT)
    try:
        chat = launch_chat(folder, "w1", {"DATABASE_URL": postgres.url}, healthy=False)
        try:
            assert chat.get("/health")[0].status == 503
            postgres.process.start()
            wait_for([chat], "pass")
        finally:
            chat.process.close()
    finally:
        if postgres.process.popen.poll() is not None:
            postgres.process.start()


def test_workers_restart_one_after_the_other_under_load(folder: Path, store_env: dict[str, str]) -> None:
    def trouble() -> None:
        for chat in chats:
            time.sleep(0.4)
            assert chat.process.stop() == 0
            chat.process.start()

    with workers(folder, store_env, 3) as chats:
        asyncio.run(through(chats, trouble))


def test_workers_are_killed_under_load(folder: Path, store_env: dict[str, str]) -> None:
    def trouble() -> None:
        for chat in chats:
            time.sleep(0.5)
            chat.process.kill()
            chat.process.start()

    with workers(folder, store_env, 2) as chats:
        asyncio.run(through(chats, trouble))


def test_a_client_that_is_ahead_of_its_worker_is_not_told_to_start_over(folder: Path, postgres: Server) -> None:
    room = f"room-{uuid.uuid4().hex[:12]}"

    async def session(one: Chat, other: Chat) -> None:
        async with join(one.socket, "ana", room=room) as ana, join(other.socket, "bob", room=room):
            await ana.say("not heard there yet", room)
            await ana.next("message")
            async with connect(other.socket) as line:
                await line.send(type="hello", name="ana", rooms={room: 1})
                assert await line.next("history") == {"type": "history", "room": room, "messages": [], "reset": False}

    with workers(folder, {"DATABASE_URL": postgres.url}) as (one, other):
        asyncio.run(session(one, other))


def test_a_store_that_was_lost_makes_everyone_start_over(folder: Path, postgres: Server) -> None:
    room = f"room-{uuid.uuid4().hex[:12]}"
    psql = need("psql", "postgresql-client")

    async def session(chat: Chat) -> None:
        async with join(chat.socket, "ana", room=room) as line:
            await line.say("gone", room)
            await line.next("message")
            for table, column in (("messages", "room"), ("rooms", "name")):
                sql = f"DELETE FROM {table} WHERE {column} = '{room}'"  # noqa: S608
                await asyncio.to_thread(subprocess.run, [psql, "-q", postgres.url, "-c", sql], check=True, timeout=20)
            assert await line.next("history") == {"type": "history", "room": room, "messages": [], "reset": True}
            await line.say("anew", room)
            assert (await line.next("message"))["seq"] == 1

    with start_chat(folder, env={"DATABASE_URL": postgres.url}) as chat:
        asyncio.run(session(chat))
