"""What `--json` prints is what docs/schema says, on a real local target."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from chatops.events import TYPES
from tests.e2e.place import Place, place
from tests.schemas import SCHEMAS, hold

CONTRACT = {"type", "ok", "changed", "release", "seconds", "impact"}
IMPACT = {"requests", "failed", "messages", "lost", "doubled", "longest_gap_ms"}


@pytest.fixture
def tiny() -> Iterator[Place]:
    """A project with a tiny app."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, place(Path(name).resolve()) as made:
        yield made


def stream(made: Place, *words: str, code: int = 0) -> list[dict[str, Any]]:
    """Every event of a change, held to the schema; the last says how it ended."""
    events = made.events(*words, code=code)
    for event in events:
        hold(event, "events")
    hold(events[-1], "finished")
    assert events[-1]["exit_code"] == code
    return events


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["title"]


def test_every_type_of_event_has_its_schema() -> None:
    named = {way["$ref"].rpartition("/")[2] for way in SCHEMAS["events.json"]["oneOf"]}
    assert named == set(TYPES.values())


def test_a_surprise_is_no_event() -> None:
    finished = {"v": 1, "type": "finished", "time": "2026-01-01T00:00:00.000Z", "ok": True}
    with pytest.raises(jsonschema.ValidationError):
        hold(finished, "events")


def test_what_answers_where_nothing_is_deployed(tiny: Place) -> None:
    status = tiny.json("status")
    hold(status, "status")
    assert (status["state"], status["release"], status["health"]) == ("absent", None, None)
    hold(tiny.json("releases"), "releases")
    hold(tiny.json("doctor"), "doctor")
    plan = tiny.json("plan", "--script")
    hold(plan, "plan")
    assert plan["changes"]
    assert plan["script"].startswith("#!/bin/sh\n")
    hold(tiny.json("deploy", "--dry-run"), "plan")


def test_what_streams_and_what_answers_afterwards(tiny: Place) -> None:
    first = stream(tiny, "deploy")[-1]
    assert first.keys() >= CONTRACT
    assert first["impact"] is None
    tiny.write("second")
    second = stream(tiny, "deploy", "local")[-1]
    assert second["impact"].keys() == IMPACT

    status = tiny.json("status", "local")
    hold(status, "status")
    assert (status["state"], len(status["workers"])) == ("healthy", 4)
    assert [one["state"] for one in tiny.json("releases")["releases"]] == ["current", "warm"]
    probe = tiny.json("probe", "--seconds", "2")
    hold(probe, "probe")
    assert probe["latency_ms"]["requests"]["p50"] > 0
    hold(tiny.json("open"), "open")
    for line in tiny.chatops("logs", "--json").stdout.splitlines():
        hold(json.loads(line), "events")
    hold(tiny.json("monitor", "--once"), "monitor")

    stream(tiny, "rollback")
    stream(tiny, "scale", "1")
    stream(tiny, "restart")
    stream(tiny, "remove", "--yes", "--purge")


def test_a_change_that_failed(tiny: Place) -> None:
    tiny.configure(ANSWER="500")
    last = stream(tiny, "deploy", code=5)[-1]
    assert not last["ok"]
    assert last["error"].startswith("gate: ")


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("deploy", "nowhere"), 2, "`nowhere`"),
        (("rollback",), 2, "no good release"),
        (("restart",), 2, "nothing is deployed"),
        (("scale", "many"), 2, "N is a number"),
        (("scale",), 2, "Missing argument"),
        (("deploy", "--nonsense"), 2, "No such option"),
        (("attach",), 3, "nothing is being changed"),
        (("logs", "--until-match", "("), 2, "`(`"),
    ],
)
def test_what_failed_before_it_began(tiny: Place, words: tuple[str, ...], code: int, error: str) -> None:
    (last,) = stream(tiny, *words, code=code)
    assert not last["ok"]
    assert error in last["error"]


def test_every_problem_of_the_file_is_a_failure_that_can_be_read(tiny: Place) -> None:
    (tiny.folder / "chatops.yaml").write_text("version: 2\n")
    for verb in ("deploy", "rollback", "restart", "remove", "logs"):
        (last,) = stream(tiny, verb, code=2)
        assert not last["ok"]


def test_a_lock_of_somebody_else(tiny: Place) -> None:
    state = tiny.folder / ".chatops/local/state"
    state.mkdir(parents=True)
    (state / "lock").write_text(json.dumps({"who": "ana@there", "what": "deploy", "since": 1.0}))
    with (state / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        last = stream(tiny, "deploy", code=6)[-1]
    assert "locked by ana@there" in last["error"]
    assert "--wait-lock" in last["hint"]


def test_the_monitor_streams_events(tiny: Place) -> None:
    tiny.chatops("deploy")
    process = tiny.start("monitor", "--json")
    seen = _until(process, {"health", "workers", "log"})
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert seen >= {"health", "workers", "log"}


def test_attach_streams_the_events_of_a_deploy(tiny: Place) -> None:
    assert tiny.app
    (tiny.app / "Procfile").write_text("web: sh -c 'sleep 5; exec node server.cjs'\n")
    deploy = tiny.start("deploy", "--json")
    assert deploy.stdout
    hold(json.loads(deploy.stdout.readline()), "events")
    attached = tiny.events("attach")
    assert attached
    for event in attached:
        hold(event, "events")
    rest, _ = deploy.communicate(timeout=60)
    assert json.loads(rest.splitlines()[-1])["ok"]


def _until(process: subprocess.Popen[str], wanted: set[str]) -> set[str]:
    """The types of events until all of `wanted` have come, at most for half a minute."""
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    seen: set[str] = set()
    assert process.stdout
    for line in process.stdout:
        event = json.loads(line)
        hold(event, "events")
        seen.add(event["type"])
        if seen >= wanted:
            break
    watchdog.cancel()
    return seen
