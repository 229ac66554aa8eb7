"""One worker, one room of 500: how much it delivers in time, and what a delivery costs."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.chat_load.generator import Generator, generator
from benchmarks.chat_load.subjects import Subject, running

MEMBERS = 500
P99_MS = 50
# Six percent from rung to rung, for all alike; above the last one the senders would meet their rate limit.
RATES = [round(10_000 * 1.06**rung, -2) for rung in range(95)]
TRIES = 2
WARM_UP_SECONDS = 0.5
SECONDS = 1.5


@dataclass(frozen=True)
class Step:
    """One run at an offered rate of deliveries a second; server and generator CPU in seconds and shares of a core."""

    offered: float
    p50_ms: float
    p99_ms: float
    complete: bool
    cpu_us: float
    generator_share: float

    @property
    def in_time(self) -> bool:
        return self.complete and self.p99_ms <= P99_MS


@dataclass(frozen=True)
class Fanout:
    """The highest step that was in time, and steps at fixed rates."""

    capacity: Step
    at: dict[float, Step]


def measure(name: str, fixed: list[float], parent: Path | None = None) -> Fanout:
    """`parent`: the folder of the sample chat's database."""
    with running(name, parent=parent) as subject, generator(subject.dialect, [subject.socket]) as clients:
        clients.open(MEMBERS)
        clients.send(30, WARM_UP_SECONDS)
        capacity = _capacity(subject, clients)
        return Fanout(capacity, {rate: _step(subject, clients, rate) for rate in fixed})


def _capacity(subject: Subject, clients: Generator) -> Step:
    """Bisect RATES for the highest one in time, then climb on from there: a bad moment must not decide."""
    best, low, high = _step(subject, clients, RATES[0]), 0, len(RATES)
    while high - low > 1:
        middle = (low + high) // 2
        step = _tried(subject, clients, RATES[middle])
        low, high, best = (middle, high, step) if step.in_time else (low, middle, best)
    for rate in RATES[low + 1 :]:
        step = _tried(subject, clients, rate)
        if not step.in_time:
            break
        best = step
    return best


def _tried(subject: Subject, clients: Generator, rate: float) -> Step:
    """The first of a few tries that is in time, else the last: what else the machine does must not decide."""
    for _ in range(TRIES):
        step = _step(subject, clients, rate)
        if step.in_time or step.p99_ms > 10 * P99_MS:
            break
    return step


def _step(subject: Subject, clients: Generator, rate: float) -> Step:
    before = subject.cpu_seconds()
    answer = clients.send(rate / MEMBERS, SECONDS)
    cpu = subject.cpu_seconds() - before
    complete = answer["delivered"] == answer["expected"] and not answer["cut"]
    per_delivery = cpu * 1e6 / max(1, answer["delivered"])
    return Step(rate, answer["p50_ms"], answer["p99_ms"], complete, per_delivery, answer["cpu_share"])
