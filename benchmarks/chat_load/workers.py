"""Latency from sender to reader at a thousand deliveries a second, on one worker and across two."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chat_load.generator import generator
from benchmarks.chat_load.subjects import SAMPLE, running, short_folder
from tests.servers import start_chat, start_postgres, start_redis

MEMBERS = 50
MESSAGES_PER_SECOND = 20
SECONDS = 8.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the moment a message was due to its arrival."""

    p50_ms: float
    p99_ms: float


def one_worker() -> Latency:
    with running(SAMPLE) as subject:
        return _latency([subject.socket])


def two_workers() -> Latency:
    """Half of the members on each worker; PostgreSQL commits every message, Redis carries the hints."""
    with contextlib.ExitStack() as stack:
        postgres, redis = stack.enter_context(start_postgres(fsync=True)), stack.enter_context(start_redis())
        folder = stack.enter_context(short_folder())
        env = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "LOG_LEVEL": "warn", "NODE_ENV": "production"}
        return _latency([stack.enter_context(start_chat(folder, worker, env)).socket for worker in ("w1", "w2")])


def _latency(sockets: list[Path]) -> Latency:
    with generator("chat", sockets) as clients:
        clients.open(MEMBERS)
        clients.send(MESSAGES_PER_SECOND, 2)
        answer = clients.send(MESSAGES_PER_SECOND, SECONDS)
        if answer["delivered"] != answer["expected"]:
            raise RuntimeError(f"{answer['delivered']} of {answer['expected']} messages were delivered")
        return Latency(answer["p50_ms"], answer["p99_ms"])
