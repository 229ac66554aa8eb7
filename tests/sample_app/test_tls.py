"""Databases behind TLS: a chain that nobody knows is taken on Heroku, by the clients that need it and by nothing else."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.needs import need, need_node
from tests.packages import install
from tests.sample_app.chatter import join
from tests.sample_app.tls import Certificate, self_signed
from tests.servers import SAMPLE_APP, Chat, launch_chat, start_chat, start_postgres, start_redis

HEROKU = {"DYNO": "web.1"}
SELF_SIGNED = "self-signed certificate"


@pytest.fixture
def certificate(folder: Path) -> Certificate:
    return self_signed(folder)


@pytest.fixture
def redis_url(certificate: Certificate) -> Iterator[str]:
    port, options = certificate.for_redis()
    with start_redis(options):
        yield f"rediss://127.0.0.1:{port}"


@pytest.fixture
def postgres_url(certificate: Certificate) -> Iterator[str]:
    port, options = certificate.for_postgres()
    with start_postgres(port=port, options=options):
        yield f"postgres://chat@127.0.0.1:{port}/postgres"


def seen(chat: Chat, name: str, status: str) -> dict[str, Any]:
    """What health says of a dependency, once it has been asked and has this status."""
    deadline = time.monotonic() + 10
    while True:
        [state] = chat.operate("GET", "/health")["checks"][f"{name}:responseTime"]
        if state["status"] == status and "time" in state:
            return dict(state)
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


@contextlib.contextmanager
def sick_chat(folder: Path, env: Mapping[str, str]) -> Iterator[Chat]:
    chat = launch_chat(folder, "w1", env, healthy=False)
    try:
        yield chat
    finally:
        chat.process.close()


@pytest.mark.parametrize("trust", ["heroku", "ca"])
def test_hints_go_through_redis_with_tls(folder: Path, certificate: Certificate, redis_url: str, trust: str) -> None:
    async def session(one: Chat, other: Chat) -> None:
        async with join(one.socket, "ana") as ana, join(other.socket, "bob") as bob:
            await ana.send(type="typing", room="lobby")  # travels by hint alone
            assert (await bob.next("typing"))["from"] == "ana"

    env = {"REDIS_URL": redis_url} | (HEROKU if trust == "heroku" else {"NODE_EXTRA_CA_CERTS": str(certificate.chain)})
    with start_chat(folder, "w1", env) as one, start_chat(folder, "w2", env) as other:
        for chat in (one, other):
            seen(chat, "redis", "pass")
        asyncio.run(session(one, other))


def test_elsewhere_redis_must_prove_who_it_is(folder: Path, redis_url: str) -> None:
    with start_chat(folder, env={"REDIS_URL": redis_url, "LOG_LEVEL": "debug"}) as chat:
        seen(chat, "redis", "warn")
        assert any(SELF_SIGNED in line.get("error", "") for line in chat.log)


def test_messages_are_stored_in_postgresql_with_tls(folder: Path, certificate: Certificate, postgres_url: str) -> None:
    async def session(chat: Chat) -> None:
        async with join(chat.socket) as line:
            await line.say("sealed")
            assert (await line.next("ack"))["seq"] > 0

    proved = f"{postgres_url}?sslmode=verify-full&sslrootcert={certificate.chain}"
    for env in ({"DATABASE_URL": postgres_url, **HEROKU}, {"DATABASE_URL": proved}):
        with start_chat(folder, env=env) as chat:
            asyncio.run(session(chat))
            assert encrypted(postgres_url) == {"t"}


def test_elsewhere_postgresql_must_prove_who_it_is(folder: Path, postgres_url: str) -> None:
    with sick_chat(folder, {"DATABASE_URL": f"{postgres_url}?sslmode=verify-full"}) as chat:
        assert SELF_SIGNED in seen(chat, "store", "fail")["output"]


def encrypted(url: str) -> set[str]:
    """Whether the chat's connections are encrypted, as PostgreSQL sees it."""
    sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'chat'"
    argv = [need("psql", "postgresql-client"), url, "-qAtc", sql]
    return set(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout.split())


# The clients of a Heroku worker get through; anything else in the same process must not.
SCOPE = """
import { once } from 'node:events'
import tls from 'node:tls'
import { Bus } from './src/bus.js'
import { createMetrics } from './src/metrics.js'
import { Store } from './src/store/index.js'
const [databaseUrl, redisUrl] = process.argv.slice(1)
const config = { databaseUrl, redisUrl, onHeroku: true, worker: 'w', release: 'r' }
const log = { debug() {}, info() {}, warn() {} }
const parts = { config, log, metrics: createMetrics(config) }
const store = new Store(parts)
await store.open()
const { promise, resolve } = Promise.withResolvers()
const bus = new Bus({ ...parts, rooms: { compare: resolve } })
await promise
await bus.ping()
const [error] = await once(tls.connect({ host: '127.0.0.1', port: new URL(redisUrl).port }), 'error').catch((error) => [error])
console.log(error.code)
process.exit()
"""


def test_only_those_clients_take_an_unknown_chain(postgres_url: str, redis_url: str) -> None:
    argv = [need_node(), "--input-type=module", "-e", SCOPE, postgres_url, redis_url]
    ran = subprocess.run(argv, cwd=install(SAMPLE_APP), capture_output=True, text=True, check=False, timeout=30)
    assert ran.stdout == "DEPTH_ZERO_SELF_SIGNED_CERT\n", ran.stderr
