"""The board: all events folded into what the monitor shows. Pure; the clock is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from chatops.board.lines import Entry, Kind, Mark, Ring, compact
from chatops.board.target import WORDS, TargetBoard, Word
from chatops.events import (
    Event,
    Finished,
    HealthSample,
    Level,
    LogLine,
    Notice,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
    WorkerSample,
    plain,
    rfc3339,
)
from chatops.model import State

__all__ = ["WORDS", "Board", "Entry", "Mark", "TargetBoard", "Word", "snapshot"]


class Board:
    """Every target by name, and one ring of log lines and marks for all of them."""

    def __init__(self, targets: Iterable[str], ring: Ring | None = None, clock: Callable[[], float] = time.time) -> None:
        self.targets = {name: TargetBoard(name) for name in targets}
        self.ring = Ring() if ring is None else ring
        self.clock = clock
        self.changes = 0  # grows with everything but log lines; for those see `ring.end`

    def apply(self, event: Event, target: str = "") -> None:
        """Folds one event in; `target` says where an event belongs that doesn't say so itself."""
        self.changes += not isinstance(event, LogLine)
        match event:
            case LogLine():
                self.targets[event.target].counts[event.level] += 1
                self.ring.push(compact(event))
            case HealthSample():
                self._health(event)
            case WorkerSample():
                self.targets[event.target].take_workers(event)
            case Notice():
                self.mark("notice", event.message, event.target or target, event.level, event.time)
            case _:
                self._step(event, self.targets[target])

    def _health(self, sample: HealthSample) -> None:
        """A sample without a target is a gate's look at new workers: users don't see those yet."""
        if not sample.target:
            return
        if marker := self.targets[sample.target].take_health(sample):
            self.mark("release", f"release {marker.release} answers", sample.target, time=marker.time)

    def _step(self, event: StepStarted | StepOutput | StepFinished | StepFailed | Finished, board: TargetBoard) -> None:
        target = board.name
        match event:
            case StepStarted():
                board.step = event.title
            case StepOutput():
                self.mark("step", event.line, target, "debug", event.time)
            case StepFinished():
                self.mark("step", f"{event.title} ({event.seconds:.1f} s)", target, time=event.time)
            case StepFailed():
                self.mark("step", f"{event.title}: {event.message}", target, "error", event.time)
            case Finished():
                board.step = ""
                self.mark("finished", _ending(event), target, "info" if event.ok else "error", event.time)

    def mark(self, kind: Kind, message: str, target: str = "", level: Level = "info", time: float | None = None) -> None:
        """Puts something that is no log line between the log lines."""
        at = self.clock() if time is None else time
        self.ring.push(Mark(time=at, kind=kind, message=message, target=target, level=level))

    def take_state(self, target: str, state: State) -> None:
        """What stands behind the events: address, kept releases, lock."""
        self.changes += 1
        self.targets[target].take_state(state)

    def lose(self, target: str, why: str) -> None:
        """The stream of a target ended; until something is heard again its state is unknown."""
        self.changes += 1
        self.targets[target].lost = why
        self.mark("notice", f"{target}: {why}", target, "error")

    def worst(self) -> Word:
        """The worst state of all targets."""
        now = self.clock()
        return max((board.state(now)[0] for board in self.targets.values()), key=WORDS.index, default="unknown")


def _ending(event: Finished) -> str:
    if not event.ok:
        return event.error or "failed"
    release = f": release {event.release}" if event.release else ""
    return f"done in {event.seconds:.1f} s{release}" if event.changed else f"nothing to do{release}"


def snapshot(board: Board) -> dict[str, Any]:
    """The board as the one object of `monitor --once --json`."""
    now = board.clock()
    targets = [_target(target, now) for target in board.targets.values()]
    return {"type": "monitor", "time": rfc3339(now), "state": board.worst(), "targets": targets}


def _target(board: TargetBoard, now: float) -> dict[str, Any]:
    word, reason = board.state(now)
    since = board.release_since
    return {
        "target": board.name,
        "url": board.url,
        "state": word,
        "reason": reason,
        "age_seconds": board.age(now),
        "release": board.release and {"id": board.release, "since": None if since is None else rfc3339(since)},
        "health": _health(board),
        "workers": plain(board.workers),
        "workers_serving": len(board.serving),
        "workers_up": board.up,
        "restarts": board.restarts,
        "connections": board.connections,
        "lock": {**plain(board.lock), "since": rfc3339(board.lock.since)} if board.lock else None,
    }


def _health(board: TargetBoard) -> dict[str, Any] | None:
    if not board.health:
        return None
    last = board.health[-1]
    return {
        "ok": last.ok,
        "status": last.status,
        "latency_ms": last.latency_ms,
        "message": last.message,
        "checks": plain(last.checks),
        "samples": len(board.health),
        "ok_percent": board.ok_percent,
        "p50_ms": board.latency(50),
        "p95_ms": board.latency(95),
    }
