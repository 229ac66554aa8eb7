"""One target on the board: health history, workers and their series, releases, and the word for all of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal

from chatops.events import HealthSample, WorkerSample
from chatops.frozen import frozen
from chatops.model import KeptRelease, Lock, State, Worker

SAMPLES = 1_000
POINTS = 120
MARKERS = 50
WINDOW = 60
"""How many of the newest health samples the percentiles speak of."""
FAILURES = 2
"""So many failed probes in a row mean `down`; fewer mean `degraded`."""
SLOW_MS = 1_000.0
STALE_SECONDS = 15.0

Word = Literal["healthy", "degraded", "down", "unknown"]
WORDS: tuple[Word, ...] = ("healthy", "degraded", "unknown", "down")
"""From the best to the worst."""


@frozen
class Marker:
    """From `time` (epoch seconds) on, `release` answered."""

    time: float
    release: str


class Series:
    """CPU (percent of one core) and memory (bytes) of one worker, oldest first."""

    __slots__ = ("cpu", "memory")

    def __init__(self) -> None:
        self.cpu: deque[float] = deque(maxlen=POINTS)
        self.memory: deque[float] = deque(maxlen=POINTS)

    def push(self, worker: Worker) -> None:
        """Takes one sample in; what is not known counts as nothing."""
        self.cpu.append(worker.cpu_percent or 0.0)
        self.memory.append(float(worker.memory_bytes or 0))


class TargetBoard:
    """All that is known of one target."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url: str | None = None
        self.unseen = ""
        self.releases: tuple[KeptRelease, ...] = ()
        self.lock: Lock | None = None
        self.health: deque[HealthSample] = deque(maxlen=SAMPLES)
        self.workers: tuple[Worker, ...] = ()
        self.series: dict[tuple[str, str], Series] = {}
        self.markers: deque[Marker] = deque(maxlen=MARKERS)
        self.release: str | None = None
        self.release_since: float | None = None
        self.step = ""
        self.lost = ""
        self.heard: float | None = None
        self.workers_heard: float | None = None
        self.counts = {"debug": 0, "info": 0, "warning": 0, "error": 0}

    def take_state(self, state: State) -> None:
        """What `inspect()` found: the address, the kept releases, the lock."""
        self.url, self.unseen = state.url, state.unseen
        self.releases = state.releases
        self.lock = state.lock
        if state.release and self.release in (None, state.release.id):
            self.release = state.release.id
            self.release_since = state.release.created

    def take_health(self, sample: HealthSample) -> Marker | None:
        """One probe; gives the marker when another release answered than before."""
        self.health.append(sample)
        self._hear(sample.time)
        if sample.release is None or sample.release == self.release:
            return None
        known, self.release = self.release, sample.release
        self.release_since = next((kept.created for kept in self.releases if kept.id == sample.release), None)
        if known is None:
            return None
        self.release_since = sample.time
        marker = Marker(sample.time, sample.release)
        self.markers.append(marker)
        return marker

    def take_workers(self, sample: WorkerSample) -> None:
        """All workers at one moment; series of those that are gone are forgotten."""
        self.workers = sample.workers
        self.workers_heard = sample.time
        self._hear(sample.time)
        present = {(worker.host, worker.name): worker for worker in sample.workers}
        self.series = {key: self.series.get(key) or Series() for key in present}
        for key, worker in present.items():
            self.series[key].push(worker)

    def _hear(self, time: float) -> None:
        self.lost = ""
        self.heard = max(time, self.heard or time)

    def age(self, now: float) -> float | None:
        """Seconds since anything was heard of this target; None: never."""
        return None if self.heard is None else max(0.0, now - self.heard)

    def stale(self, now: float) -> bool:
        """Whether what is shown is too old to be called current."""
        age = self.age(now)
        return age is None or age > STALE_SECONDS

    def state(self, now: float) -> tuple[Word, str]:
        """The word for the target and, in one fragment, why."""
        if self.lost:
            return "unknown", self.lost
        if self.heard is None:
            return "unknown", "nothing heard yet"
        if self.stale(now):
            return "unknown", f"nothing heard for {now - self.heard:.0f} s"
        return judge(self.health, () if self.workers_stale(now) else self.serving, self.unseen)

    def workers_stale(self, now: float) -> bool:
        """Whether the workers' figures are too old to be called current."""
        return self.workers_heard is None or now - self.workers_heard > STALE_SECONDS

    @property
    def serving(self) -> tuple[Worker, ...]:
        """The workers of the release that answers; others stay warm, or are on their way. All, where none tells its release."""
        return tuple(worker for worker in self.workers if self.serves(worker)) or self.workers

    def serves(self, worker: Worker) -> bool:
        """Whether a worker belongs to the release that answers."""
        return self.release is None or worker.release in (None, self.release)

    @property
    def up(self) -> int:
        """How many of the serving workers are up."""
        return sum(worker.state == "up" for worker in self.serving)

    @property
    def restarts(self) -> int | None:
        """Restarts of all workers together; None where no worker says."""
        known = [worker.restarts for worker in self.workers if worker.restarts is not None]
        return sum(known) if known else None

    def latency(self, percent: float) -> float | None:
        """A percentile of the newest answered probes, in milliseconds (nearest rank)."""
        answered = sorted(sample.latency_ms for sample in list(self.health)[-WINDOW:] if sample.status)
        if not answered:
            return None
        return answered[min(len(answered) - 1, int(len(answered) * percent / 100))]

    @property
    def ok_percent(self) -> float | None:
        """Share of good probes in what is kept."""
        return 100.0 * sum(sample.ok for sample in self.health) / len(self.health) if self.health else None

    @property
    def connections(self) -> float | None:
        """Open connections, where the app tells."""
        return self.health[-1].connections if self.health else None


def judge(health: Sequence[HealthSample], workers: Sequence[Worker], unseen: str = "") -> tuple[Word, str]:
    """The word for the newest probes and workers, and why. Where nobody can probe (`unseen`), the workers tell."""
    up = sum(worker.state == "up" for worker in workers)
    failures = _failures(health)
    if failures >= FAILURES or (failures and workers and not up):
        return "down", _failure(health[-1])
    if failures:
        return "degraded", f"a probe failed: {_failure(health[-1])}"
    if workers and not up:
        return ("degraded" if health else "down"), "no worker is up"
    if complaint := _broken(workers) or _unwell(health):
        return "degraded", complaint
    return ("healthy", "") if health or (unseen and up) else ("unknown", unseen or "no probe yet")


def _broken(workers: Sequence[Worker]) -> str:
    broken = [worker.name for worker in workers if worker.state in ("crashed", "down")]
    others = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
    return f"worker {broken[0]}{others} is not up" if broken else ""


def _unwell(health: Sequence[HealthSample]) -> str:
    if health and health[-1].message:
        return f"health says {health[-1].message}"
    return f"slow: {health[-1].latency_ms:.0f} ms" if health and health[-1].latency_ms > SLOW_MS else ""


def _failures(health: Sequence[HealthSample]) -> int:
    """How many probes in a row failed, counted from the newest."""
    count = 0
    for sample in reversed(health):
        if sample.ok or count >= FAILURES:
            break
        count += 1
    return count


def _failure(sample: HealthSample) -> str:
    return sample.message or (f"status {sample.status}" if sample.status else "no answer")
