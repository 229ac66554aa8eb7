"""Phases, gates and the way back, over a target that is a list and an app that is a real server on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chatops import health
from chatops.errors import Locked, StepFailed, Unhealthy, UnknownOutcome
from chatops.events import Event, Finished, HealthSample, Impact, Notice
from chatops.execute import execute
from chatops.goals import Deploy, Gate, Goal, Phase, Plan, Restart, Rollback, Scale, Step
from chatops.model import KeptRelease, Release, State, Worker
from tests.fakes import FakeTarget

RELEASE = Release("new", "d", Path("/x"), "node x", 1.0, "me")
SERVES_OLD = State(target="fake", kind="fake", releases=(KeptRelease("old", "current"),))
EMPTY = State(target="fake", kind="fake")


@dataclass
class Scripted(FakeTarget):
    """Fails in the phases it is told to; remembers every goal it was asked to plan."""

    failing: dict[str, Exception] = field(default_factory=dict)
    gate: Gate | None = None
    goals: list[Goal] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    proves: bool = False

    def plan(self, state: State, goal: Goal) -> Plan:
        self.goals.append(goal)
        kind = "back " if isinstance(goal, Rollback) else ""
        steps = (Step(name="s", title="s", proves=self.proves),)
        gate = None if kind else self.gate
        phases = (Phase(f"{kind}prepare", steps), Phase(f"{kind}switch", steps, gate), Phase(f"{kind}settle", steps))
        return Plan(goal, phases, "new")

    async def carry_out(self, plan: Plan, phase: Phase) -> AsyncGenerator[Event]:
        if phase.name in self.failing:
            raise self.failing[phase.name]
        self.done.append(phase.name)
        async for event in FakeTarget.carry_out(self, plan, phase):
            yield event
        if phase.name == "switch":
            self.settled.set()


def carry(target: Scripted, state: State, goal: Goal, prober: object = None) -> tuple[list[Event], Finished]:
    async def all_events() -> list[Event]:
        plan = target.plan(state, goal)
        target.goals.clear()
        return [event async for event in execute(target, state, plan, prober)]  # type: ignore[arg-type]

    events = asyncio.run(all_events())
    assert isinstance(events[-1], Finished)
    return events, events[-1]


def test_all_phases_in_order() -> None:
    target = Scripted()
    _, finished = carry(target, SERVES_OLD, Deploy(RELEASE))
    assert target.done == ["prepare", "switch", "settle"]
    assert (finished.ok, finished.exit_code, finished.release) == (True, 0, "new")
    assert ("remember", True) in target.asked


@pytest.mark.parametrize(
    ("phase", "error", "code", "back"),
    [
        ("prepare", StepFailed("disk full"), 4, Rollback("old", undo="new")),
        ("prepare", Unhealthy("crashes"), 5, Rollback("old", bad="new", undo="new")),
        ("switch", StepFailed("no rename"), 4, Rollback("old", undo="new")),
    ],
)
def test_a_failure_goes_back_by_itself(phase: str, error: Exception, code: int, back: Goal) -> None:
    target = Scripted(failing={phase: error})
    events, finished = carry(target, SERVES_OLD, Deploy(RELEASE))
    assert target.goals == [back]
    assert target.done[-3:] == ["back prepare", "back switch", "back settle"]
    assert (finished.ok, finished.exit_code, finished.error) == (False, code, str(error))
    assert any(isinstance(event, Notice) and "old keeps serving" in event.message for event in events)


def test_a_first_release_that_fails_leaves_nothing() -> None:
    target = Scripted(failing={"prepare": Unhealthy("crashes")})
    carry(target, EMPTY, Deploy(RELEASE))
    assert target.goals == [Rollback(None, bad="new", undo="new")]


def test_more_workers_that_fail_are_taken_away_again() -> None:
    hosts = ("a", "a", "b", "b")
    workers = tuple(Worker(f"w{number}", host, "up", release="old") for number, host in enumerate(hosts))
    target = Scripted(failing={"prepare": Unhealthy("crashes")})
    carry(target, replace(SERVES_OLD, workers=workers), Scale(4))
    assert target.goals == [Scale(2)]


def test_after_the_gate_the_new_release_stays() -> None:
    with app("new") as url:
        target = Scripted(failing={"settle": StepFailed("no prune")}, gate=Gate(url=url, release="new", seconds=5))
        _, finished = carry(target, SERVES_OLD, Deploy(RELEASE))
    assert target.goals == []
    assert finished.exit_code == 4


def test_a_step_that_proves_after_the_switch_is_as_good_as_a_gate() -> None:
    target = Scripted(failing={"settle": StepFailed("no prune")}, proves=True)
    assert carry(target, SERVES_OLD, Deploy(RELEASE))[1].exit_code == 4
    assert target.goals == []
    target = Scripted(failing={"switch": StepFailed("no rename")}, proves=True)
    carry(target, SERVES_OLD, Deploy(RELEASE))
    assert target.goals == [Rollback("old", undo="new")]


def test_a_gate_that_fails_goes_back() -> None:
    with app("old") as url:
        target = Scripted(gate=Gate(url=url, release="new", seconds=0.3))
        events, finished = carry(target, SERVES_OLD, Deploy(RELEASE))
    assert target.goals == [Rollback("old", bad="new", undo="new")]
    assert finished.exit_code == 5
    assert "answers release `old` instead of `new`" in finished.error
    assert not any(isinstance(event, HealthSample) for event in events)


def test_a_way_back_that_fails_after_the_switch_leaves_the_outcome_open() -> None:
    """Nobody can tell then that what served before serves."""
    target = Scripted(failing={"switch": StepFailed("first"), "back switch": StepFailed("second")})
    assert carry(target, SERVES_OLD, Restart())[1].exit_code == 9


def test_an_unknown_outcome_is_told_and_nothing_more_is_done() -> None:
    target = Scripted(failing={"prepare": UnknownOutcome("the link does not come back")})
    said, finished = carry(target, SERVES_OLD, Restart())
    assert (finished.exit_code, finished.error) == (9, "the link does not come back")
    assert not [event for event in said if isinstance(event, Notice)]


def test_a_way_back_that_fails_says_both() -> None:
    target = Scripted(failing={"prepare": StepFailed("first"), "back switch": StepFailed("second")})
    _, finished = carry(target, SERVES_OLD, Restart())
    assert "first" in finished.error
    assert "second" in finished.error
    assert finished.exit_code == 4


def test_a_lock_is_told_before_anything_is_done() -> None:
    target = Scripted(failing={"prepare": Locked("by ana")})
    with pytest.raises(Locked):
        carry(target, SERVES_OLD, Restart())
    assert target.goals == []


def test_interrupted_goes_back_and_says_130() -> None:
    target = Scripted(gate=Gate(url="http://127.0.0.1:1/", release="new", seconds=60))

    async def interrupted() -> list[Event]:
        plan = target.plan(SERVES_OLD, Deploy(RELEASE))
        events: list[Event] = []

        async def consume() -> None:
            async for event in execute(target, SERVES_OLD, plan):
                events.append(event)

        task = asyncio.create_task(consume())
        await target.settled.wait()
        task.cancel()
        await task
        return events

    finished = asyncio.run(interrupted())[-1]
    assert isinstance(finished, Finished)
    assert finished.exit_code == 130
    assert "back switch" in target.done


class Counting:
    """A prober that remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def start(self) -> None:
        self.asked.append("start")

    async def stop(self) -> Impact | None:
        self.asked.append("stop")
        return Impact(requests=3)


def test_what_users_felt_is_measured_to_the_end() -> None:
    prober = Counting()
    _, finished = carry(Scripted(failing={"switch": StepFailed("x")}), SERVES_OLD, Restart(), prober)
    assert prober.asked == ["start", "stop"]
    assert finished.impact == Impact(requests=3)


def test_nothing_to_do_asks_nobody() -> None:
    target, prober = Scripted(), Counting()
    plan = Plan(Restart(), (Phase("prepare", (Step(name="n", title="n", reason="skip"),)),))

    async def run() -> list[Event]:
        return [event async for event in execute(target, SERVES_OLD, plan, prober)]

    (finished,) = asyncio.run(run())
    assert isinstance(finished, Finished)
    assert (finished.ok, finished.changed, prober.asked, target.done) == (True, False, [], [])


# What health says of answers, over a real server.


@contextmanager
def app(release: str | None, status: int = 200, body: bytes | None = None) -> Iterator[str]:
    """An app whose /health answers so."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = body if body is not None else json.dumps({"status": "pass", "release": release}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/health"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def look(url: str) -> HealthSample:
    async def once() -> HealthSample:
        async with health.client() as http:
            return await health.sample(http, url)

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("status", "body", "ok", "release"),
    [
        (200, b"fine", True, None),
        (200, b'{"status": "pass", "release": "v1"}', True, "v1"),
        (200, b'{"status": "warn", "releaseId": "v2"}', True, "v2"),
        (200, b'{"status": "fail"}', False, None),
        (503, b'{"status": "fail", "release": "v1"}', False, "v1"),
        (404, b"", False, None),
        (200, b"[" * 100_000, True, None),
        (200, b'{"release": "\\u001b[31mred"}', True, "\\x1b[31mred"),
    ],
)
def test_answers(status: int, body: bytes, ok: bool, release: str | None) -> None:
    with app(None, status, body) as url:
        seen = look(url)
    assert (seen.ok, seen.status) == (ok, status)
    assert seen.release == (release if release != "\\x1b[31mred" else "red")


def test_a_huge_answer_is_cut() -> None:
    with app(None, 200, b"x" * 5_000_000) as url:
        assert look(url).ok


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::bad/", "http://127.0.0.1:1:1/"])
def test_no_answer_is_a_sample_too(url: str) -> None:
    seen = look(url)
    assert (seen.ok, seen.status) == (False, 0)
    assert seen.message


def test_the_gate_wants_answers_in_a_row_from_the_right_release() -> None:
    with app("v1") as url:
        assert asyncio.run(health.wait_until_healthy(Gate(url=url, release="v1", seconds=5))).release == "v1"
        assert asyncio.run(health.wait_until_healthy(Gate(url=url, seconds=5))).ok
        gate = Gate(url=url, release="v2", seconds=0.2)
        with pytest.raises(Unhealthy, match="instead of `v2`"):
            asyncio.run(health.wait_until_healthy(replace(gate)))
