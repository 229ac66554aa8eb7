"""One worker, one room of 500: how much it delivers in time, and what a delivery costs."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.chat_load.generator import Generator, generator
from benchmarks.chat_load.subjects import Subject, running

MEMBERS = 500
P99_MS = 50
RATES = [1e3 * k for k in (10, 15, 20, 25, 30, 40, 50, 60, 75, 90, 110, 130, 150, 175, 200, 225, 250, 275, 300, 350, 400)]
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
    """Bisect RATES for the highest one in time, then once more above it: a bad moment must not decide."""
    best = _step(subject, clients, RATES[0])
    for _ in range(2):
        low, high = RATES.index(best.offered), len(RATES)
        while high - low > 1:
            middle = (low + high) // 2
            step = _tried(subject, clients, RATES[middle])
            low, high, best = (middle, high, step) if step.in_time else (low, middle, best)
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
