"""The word that `chatops status` finds for a target, and what it says of one that nobody here can ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chatops.cli.status import as_json, text, verdict
from chatops.events import HealthSample
from chatops.model import KeptRelease, State, Worker

BEHIND = "`web1` is reached through another host, and http://10.0.0.5/health can't be asked from here"


def state(*workers: str, unseen: str = "", notices: tuple[str, ...] = ()) -> State:
    crew = tuple(Worker(f"chat-{number}", "web1", word, release="r1") for number, word in enumerate(workers))  # type: ignore[arg-type]
    kept = (KeptRelease("r1", "current"),)
    more: dict[str, Any] = {"releases": kept, "workers": crew, "unseen": unseen, "notices": notices}
    return State(target="vps", kind="vps", url="http://10.0.0.5", **more)


def sample(ok: bool) -> HealthSample:
    return HealthSample(time=1.0, target="vps", ok=ok, status=200 if ok else 0, latency_ms=1.0)


@pytest.mark.parametrize(
    ("seen", "found", "word"),
    [
        (state("up"), sample(True), "healthy"),
        (state("up"), sample(False), "down"),
        (state("up"), None, "down"),
        (state("up", unseen=BEHIND), None, "healthy"),
        (state("up", "crashed", unseen=BEHIND), None, "degraded"),
        (state("crashed", unseen=BEHIND), None, "down"),
        (state(unseen=BEHIND), None, "down"),
        (state("up", unseen="astray", notices=("astray",)), None, "degraded"),
    ],
)
def test_the_word(seen: State, found: HealthSample | None, word: str) -> None:
    assert verdict(seen, found) == word


def test_what_the_app_tells_of_itself() -> None:
    rows = {"pg:responseTime": [{"componentId": "postgres", "status": "pass"}], "bus": [{"status": "warn\x1b"}], "odd": []}
    seen = replace(state("up"), checks=rows)
    assert "checks    postgres pass, bus warn\\x1b\n" in text(seen, sample(True))
    assert as_json(seen, sample(True))["health"]["checks"] == rows
    public = replace(sample(True), checks={"bus": [{"status": "pass"}], "more": [{"status": "pass"}]}, connections=3.0)
    told = as_json(seen, public)["health"]
    assert (told["checks"], told["connections"]) == ({**rows, "more": [{"status": "pass"}]}, 3.0)
    assert "checks    bus warn\\x1b, more pass, postgres pass\n" in text(seen, public)


def test_that_nobody_asked_is_said() -> None:
    seen = state("up", unseen=BEHIND)
    assert f"health    not asked: {BEHIND}" in text(seen, None)
    assert as_json(seen, None)["health"] is None
    seen = replace(seen, checks={"store": [{"status": "fail"}]})
    asked = dict.fromkeys(("ok", "status", "latency_ms", "connections"))
    assert as_json(seen, None)["health"] == {**asked, "checks": {"store": [{"status": "fail"}]}}
    assert "checks    store fail\n" in text(seen, None)
