"""What connections cost: handshakes a second, and the memory of idle ones that have joined a room."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.chat_load.generator import Generator, generator, signed_tokens
from benchmarks.chat_load.subjects import Subject, running

SECRET = "the benchmark's secret"  # noqa: S105
HANDSHAKES = 6000
IDLE = 10_000
ROOMS = 100
SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Connections:
    """Rates a second, of wall clock and of server CPU; growth in bytes for all idle connections, as found and collected."""

    handshakes_per_second: float
    handshakes_per_cpu_second: float
    joins_per_second: float
    idle_bytes: float
    used_bytes: float


def measure(name: str) -> Connections:
    per_second, per_cpu = _handshakes(name)
    return Connections(per_second, per_cpu, *_idle(name))


def _handshakes(name: str) -> tuple[float, float]:
    """Connect, upgrade, hello with a signed token, welcome; the first thousand warm the server up."""
    with _with_tokens(name, HANDSHAKES) as (subject, clients):
        clients.open(1000, rooms=0)
        before = subject.cpu_seconds()
        answer = clients.open(HANDSHAKES, rooms=0)
        cpu = subject.cpu_seconds() - before
        return HANDSHAKES / answer["seconds"], HANDSHAKES / cpu


def _idle(name: str) -> tuple[float, float, float]:
    with _with_tokens(name, IDLE) as (subject, clients):
        subject.collect()
        before = subject.memory()
        answer = clients.open(IDLE, rooms=ROOMS)
        if clients.wait(SETTLE_SECONDS) != IDLE:
            raise RuntimeError(f"{name} has lost idle connections")
        found = subject.memory() - before
        subject.collect()
        return IDLE / answer["seconds"], found, subject.memory() - before


@contextlib.contextmanager
def _with_tokens(name: str, count: int) -> Iterator[tuple[Subject, Generator]]:
    """A server that checks tokens, and clients that have them."""
    env, tokens = {"SESSION_SECRET": SECRET, "REQUIRE_TOKEN": "1"}, signed_tokens(count, SECRET)
    with running(name, env) as subject, generator(subject.dialect, [subject.socket], tokens) as clients:
        yield subject, clients
