"""Events folded into the board: states and their reasons, releases, series, marks, the snapshot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from chatops.board import Board, Mark, snapshot
from chatops.events import (
    Finished,
    HealthSample,
    LogLine,
    Notice,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
    WorkerSample,
    plain,
)
from chatops.model import KeptRelease, State, Worker

NOW = 1000.0
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/monitor.json").read_text())
UP = Worker(name="chat-1", host="", state="up", pid=1, cpu_percent=5.0, memory_bytes=1000, restarts=2, release="a")


def sample(time: float = NOW, **more: object) -> HealthSample:
    """A good probe, unless `more` says otherwise."""
    said = {"time": time, "target": "local", "ok": True, "status": 200, "latency_ms": 4.0, "release": "a", **more}
    return HealthSample(**said)  # type: ignore[arg-type]


BAD = {"ok": False, "status": 503, "message": "answers 503"}


def crew(*workers: Worker, time: float = NOW) -> WorkerSample:
    """A sample of these workers."""
    return WorkerSample(time=time, target="local", workers=workers)


def made(*events: object, now: float = NOW) -> Board:
    """A board that was told these events."""
    board = Board(["local"], clock=lambda: now)
    for event in events:
        board.apply(event, "local")  # type: ignore[arg-type]
    return board


@pytest.mark.parametrize(
    ("events", "state", "reason"),
    [
        ((), "unknown", "nothing heard yet"),
        ((sample(),), "healthy", ""),
        ((sample(), crew(UP)), "healthy", ""),
        ((crew(UP),), "unknown", "no probe yet"),
        ((sample(), sample(**BAD)), "degraded", "a probe failed: answers 503"),
        ((sample(**BAD), sample(**BAD)), "down", "answers 503"),
        ((sample(ok=False, status=0), sample(ok=False, status=0)), "down", "no answer"),
        ((sample(**BAD), crew(replace(UP, state="crashed"))), "down", "answers 503"),
        ((sample(**BAD), sample()), "healthy", ""),
        ((sample(), crew(UP, replace(UP, name="chat-2", state="crashed"))), "degraded", "worker chat-2 is not up"),
        ((sample(), crew(UP, replace(UP, name="old", state="down", release="0"))), "healthy", ""),
        ((sample(), crew(UP, replace(UP, name="chat-2", state="starting"))), "healthy", ""),
        ((sample(), crew(replace(UP, state="down"))), "degraded", "no worker is up"),
        ((sample(message="warn"),), "degraded", "health says warn"),
        ((sample(latency_ms=1500.0),), "degraded", "slow: 1500 ms"),
        ((sample(NOW - 60),), "unknown", "nothing heard for 60 s"),
        ((sample(), crew(replace(UP, state="crashed"), time=NOW - 60)), "healthy", ""),
    ],
)
def test_the_word_and_why(events: tuple[object, ...], state: str, reason: str) -> None:
    assert made(*events).targets["local"].state(NOW) == (state, reason)


def test_a_lost_stream_is_unknown_until_something_is_heard() -> None:
    board = made(sample())
    board.lose("local", "host away")
    assert board.targets["local"].state(NOW) == ("unknown", "host away")
    board.apply(sample())
    assert board.worst() == "healthy"


def test_the_worst_target_speaks_for_all() -> None:
    board = Board(["a", "b", "c"], clock=lambda: NOW)
    board.apply(sample(target="a"))
    assert board.worst() == "unknown"
    for target in "bc":
        board.apply(sample(target=target, **BAD))
    board.apply(sample(target="c", **BAD))
    assert board.worst() == "down"


def test_a_release_that_changes_leaves_a_marker_and_a_line() -> None:
    board = made(sample(), sample(NOW + 1, release=None), sample(NOW + 2, release="b"), sample(NOW + 3, release="b"))
    target = board.targets["local"]
    assert [(marker.time, marker.release) for marker in target.markers] == [(NOW + 2, "b")]
    assert [entry.message for _, entry in board.ring.since(0)] == ["release b answers"]
    assert (target.release, target.release_since) == ("b", NOW + 2)


def test_looks_of_a_gate_are_not_what_users_meet() -> None:
    board = made(sample(), sample(target="", release="next"))
    assert (len(board.targets["local"].health), board.targets["local"].release) == (1, "a")


def test_the_age_of_a_release_comes_from_what_is_kept() -> None:
    board = made()
    state = State(target="local", kind="local", url="http://x", releases=(KeptRelease("a", "current", 400.0),))
    board.take_state("local", state)
    board.apply(sample())
    assert board.targets["local"].release_since == 400.0


def test_series_of_workers_that_are_gone_are_forgotten() -> None:
    board = made(*(crew(replace(UP, name=f"chat-{turn}"), UP) for turn in range(500)))
    series = board.targets["local"].series
    assert sorted(series) == [("", "chat-1"), ("", "chat-499")]
    assert len(series["", "chat-1"].cpu) == 120


def test_histories_are_bounded() -> None:
    board = made(*(sample(NOW + turn, release=str(turn)) for turn in range(3000)))
    target = board.targets["local"]
    assert (len(target.health), len(target.markers)) == (1000, 50)


def test_percentiles_leave_unanswered_probes_out() -> None:
    board = made(*(sample(latency_ms=float(value)) for value in range(1, 101)), sample(ok=False, status=0, latency_ms=9e9))
    target = board.targets["local"]
    assert (target.latency(50), target.latency(95)) == (71.0, 98.0)
    assert target.ok_percent == pytest.approx(100 * 100 / 101)
    assert made().targets["local"].latency(50) is None


def test_connections_are_those_of_the_last_look() -> None:
    assert made(sample(connections=3.0), sample(connections=4.0)).targets["local"].connections == 4.0
    assert made().targets["local"].connections is None


def test_steps_and_notices_stand_between_the_lines() -> None:
    step = {"time": NOW, "phase": "prepare", "step": "s"}
    board = made(
        LogLine(time=NOW, target="local", message="before", level="error"),
        StepStarted(**step, title="start"),
        StepOutput(**step, line="npm says"),
        StepFinished(**step, title="start", changed=True, seconds=0.4),
        StepFailed(**step, title="switch", message="no space", seconds=0.1),
        Notice(time=NOW, message="going back", level="warning"),
        Finished(time=NOW, ok=False, changed=True, seconds=1.0, error="no space"),
        Finished(time=NOW, ok=True, changed=False, seconds=0.0, release="a"),
    )
    shown = [(type(entry) is Mark, entry.level, entry.message) for _, entry in board.ring.since(0)]
    assert shown == [
        (False, "error", "before"),
        (True, "debug", "npm says"),
        (True, "info", "start (0.4 s)"),
        (True, "error", "switch: no space"),
        (True, "warning", "going back"),
        (True, "error", "no space"),
        (True, "info", "nothing to do: release a"),
    ]
    assert board.targets["local"].counts["error"] == 1
    assert all(entry.target == "local" for _, entry in board.ring.since(0))


def test_a_running_step_is_known_until_the_end() -> None:
    board = made(StepStarted(time=NOW, phase="p", step="s", title="start worker 0"))
    assert board.targets["local"].step == "start worker 0"
    board.apply(Finished(time=NOW, ok=True, changed=True, seconds=1.0), "local")
    assert board.targets["local"].step == ""


@pytest.mark.parametrize("events", [(), (sample(checks={"connections": 3}), crew(UP), sample(release="b")), (sample(**BAD),)])
def test_the_snapshot_keeps_to_its_schema(events: tuple[object, ...]) -> None:
    board = made(*events)
    body = json.loads(json.dumps({"v": 1, **plain(snapshot(board))}))
    jsonschema.validate(body, SCHEMA)
    assert body["state"] == board.worst()
