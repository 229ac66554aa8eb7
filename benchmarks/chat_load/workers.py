"""Latency from sender to reader at a thousand deliveries a second, on one worker and across two."""

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chat_load.generator import generator
from benchmarks.chat_load.subjects import SAMPLE, running, short_folder
from tests.servers import start_chat, start_postgres, start_redis

MEMBERS = 50
MESSAGES_PER_SECOND = 20
SECONDS = 8.0
SYNCS = 200
SYNC_PAUSE_SECONDS = 0.02
PAGE = bytes(4096)


@dataclass(frozen=True)
class Latency:
    """Milliseconds; of messages, from the moment one was due to its arrival."""

    p50_ms: float
    p99_ms: float


def one_worker(parent: Path | None = None) -> Latency:
    """`parent`: the folder of the database; left out, the disk that temporary files are on."""
    with running(SAMPLE, parent=parent) as subject:
        return _latency([subject.socket])


def disk() -> Latency:
    """What the disk alone needs to make a page durable, which is what a batch of messages waits for."""
    with tempfile.TemporaryFile() as file:
        taken = sorted(_sync_ms(file.fileno()) for _ in range(SYNCS))
    return Latency(taken[SYNCS // 2], taken[SYNCS * 99 // 100])


def _sync_ms(file: int) -> float:
    time.sleep(SYNC_PAUSE_SECONDS)
    os.write(file, PAGE)
    started = time.monotonic()
    os.fsync(file)
    return (time.monotonic() - started) * 1000


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
