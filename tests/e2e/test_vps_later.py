"""What later deploys to a host send, do, show and keep."""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.yard import Yard, harm
from tests.rig.rig import Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
BULK = 3_000_000


def steps(events: list[dict[str, Any]]) -> list[str]:
    """The steps that did something."""
    return [event["step"] for event in events if event["type"] == "step_finished" and event["changed"]]


def test_only_what_changed_is_sent(rig: Rig, yard: Yard) -> None:
    entry = yard.entry
    with rig.link(yard.host) as link:
        yard.entry = lambda host: {**entry(host), "address": link.address, "port": link.port}  # type: ignore[method-assign]
        yard.configure()
        (yard.folder / "app" / "public" / "bulk").write_bytes(os.urandom(BULK))
        sent = [link.traffic.up]
        for text in ("with the bulk", "without it"):
            yard.change(text)
            yard.deploy()
            sent.append(link.traffic.up)
        yard.deploy()
        sent.append(link.traffic.up)
    first, second, third = (after - before for before, after in pairwise(sent))
    assert first > BULK
    assert second < BULK / 10  # what the clients say that measure the deploy goes over this link, too
    assert third < 15_000


def test_dependencies_are_installed_when_they_change_and_connections_seen_to_move(yard: Yard) -> None:
    yard.change("no new dependency")
    events = yard.events("deploy", "vps", "--yes")
    assert "modules" not in steps(events)
    lines = [event["line"] for event in events if event["type"] == "step_output" and event["step"] == "drain"]
    counts = [int(found[1]) for line in lines if (found := re.match(r"old workers: (\d+) connections", line))]
    assert counts
    assert counts == sorted(counts, reverse=True)
    assert lines[-1].startswith("drained ")

    for name in ("package.json", "package-lock.json"):
        path = yard.folder / "app" / name
        value = json.loads(path.read_text())
        value["version"] = "99.0.0"
        path.write_text(json.dumps(value))
    events = yard.events("deploy", "vps", "--yes")
    assert "modules" in steps(events)
    assert harm(events[-1]) == {}


def test_releases_have_states_and_pm2_knows_those_that_run(yard: Yard) -> None:
    oldest = yard.health()["release"]
    warm = [yard.change("a"), yard.deploy()["release"]][1]
    current = [yard.change("b"), yard.deploy()["release"]][1]
    broken = yard.deploy_dead()["release"]

    states = {kept["id"]: kept["state"] for kept in yard.json("releases", "vps")["releases"]}
    assert states == {current: "current", warm: "warm", oldest: "kept", broken: "bad"}
    dump = json.loads(yard.host.read("/srv/chat/pm2/dump.pm2"))
    assert {worker["name"] for worker in dump} == {f"chat-{release}-{n}" for release in (warm, current) for n in (0, 1)}
