"""Several real hosts as one target: a balancer, two app hosts, and one for the data; each test leaves them as it found them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.mishap import until_step
from tests.e2e.yard import PACKAGES, Yard, harm, leads_to, provisioned
from tests.rig.host import Host
from tests.rig.mirror import Mirror
from tests.rig.rig import Rig

pytestmark = pytest.mark.timeout(600)
ROLES = (["balancer"], ["app"], ["app"], ["data"])
MARKED = """
// A host with this file answers in the name of another release, once nginx stands before it.
const http = process.getBuiltinModule('node:http')
const { existsSync } = process.getBuiltinModule('node:fs')
const emit = http.Server.prototype.emit
http.Server.prototype.emit = function (event, request, response) {
  if (event === 'request' && request.url === '/health' && request.headers['x-request-id'] && existsSync('/srv/chat/marked')) {
    response.setHeader('content-type', 'application/json')
    return response.end(JSON.stringify({ status: 'pass', release: 'another' }))
  }
  return emit.apply(this, arguments)
}
"""


@pytest.fixture(scope="module")
def fleet(rig: Rig, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A host that had nothing but sshd, and three that each had the whole chat, made one target."""
    folder = tmp_path_factory.mktemp("fleet")
    hosts = [rig.host(rig.warm(*PACKAGES)), *rig.fleet(len(ROLES) - 1, provisioned(rig, mirror, folder))]
    (place := folder / "yard").mkdir()
    made = Yard(place, hosts, mirror)
    made.configure(ROLES)
    finished = made.events("deploy", "vps", "--yes")[-1]
    assert finished["impact"]["messages"] == 0, "each host had a database of its own: what was said there is not here"
    yield made
    for host in hosts:
        rig.remove(host)


@pytest.fixture
def yard(fleet: Yard) -> Yard:
    """The fleet, whole: whatever a test before has left of it."""
    fleet.deploy()
    return fleet


def apps(yard: Yard) -> list[Host]:
    """The hosts that run workers."""
    return yard.hosts[1:3]


def reaches(one: Host, other: Host, port: int) -> bool:
    """Whether a connection from host to host comes about."""
    return one.run(f"timeout 3 bash -c '</dev/tcp/{other.private}/{port}'", check=False).code == 0


def serving(yard: Yard) -> dict[str, str]:
    """The same of each app host."""
    return {host.address: leads_to(host) for host in apps(yard)}


def workers_of(yard: Yard, release: str) -> list[tuple[str, int]]:
    """The workers of a release: host and process."""
    workers = yard.json("status", "vps")["workers"]
    return [(worker["host"], worker["pid"]) for worker in workers if worker["release"] == release]


def at_the_balancer(yard: Yard) -> str:
    """What a deploy must not touch: nginx's files with their times, and its processes."""
    return yard.host.run("stat -c '%n %Y %i' /etc/nginx/conf.d/*; pgrep -x nginx; cat /proc/1/cmdline").out


def where(events: list[dict[str, Any]], kind: str, step: str) -> list[str]:
    """The hosts on which a step began or ended, in that order."""
    return [event["host"] for event in events if event["type"] == kind and event.get("step") == step]


def position(events: list[dict[str, Any]], kind: str, step: str, host: str) -> int:
    """When it did."""
    return next(n for n, one in enumerate(events) if (one["type"], one.get("step"), one.get("host")) == (kind, step, host))


def until_seen_on(monitor: subprocess.Popen[str], hosts: set[str]) -> None:
    """Reads what the monitor shows until these hosts are those that have workers."""
    assert monitor.stdout is not None
    for line in monitor.stdout:
        if {worker["host"] for worker in json.loads(line).get("workers", ())} == hosts:
            return
    raise AssertionError(f"workers of {hosts} were never seen")


def test_each_host_does_its_part_and_is_open_to_those_who_need_it(yard: Yard) -> None:
    balancer, first, second, data = yard.hosts
    workers = yard.json("status", "vps")["workers"]
    assert {worker["host"] for worker in workers} == {first.address, second.address}
    body = first.run("curl -s --unix-socket /srv/chat/run/live/0.ops http://localhost/health").out
    seen = {
        one["componentId"]: one["status"]
        for values in json.loads(body)["checks"].values()
        for one in values
        if "componentId" in one
    }
    assert seen == {"postgres": "pass", "redis": "pass"}

    assert reaches(balancer, first, 8000)
    assert reaches(first, data, 5432)
    assert not reaches(data, first, 8000)
    assert not reaches(second, first, 8000)
    assert not reaches(balancer, data, 5432)
    assert not reaches(balancer, data, 6379)
    assert first.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8000/metrics").out == "404"
    assert not yard.deploy()["changed"]
    assert yard.chatops("plan", "vps", "--detailed-exitcode").returncode == 0


@pytest.mark.faults
def test_all_are_ready_before_one_is_switched_and_the_balancer_does_not_notice(yard: Yard) -> None:
    before = at_the_balancer(yard)
    yard.change("second")
    events = yard.events("deploy", "vps", "--yes")
    assert harm(events[-1]) == {}, events[-1]["impact"]
    assert serving(yard) == {host.address: events[-1]["release"] for host in apps(yard)}
    assert at_the_balancer(yard) == before

    canary, other = where(events, "step_started", "switch")
    assert set(where(events, "step_finished", "gate")) == {canary, other}
    ready = max(position(events, "step_finished", "gate", host) for host in (canary, other))
    assert ready < position(events, "step_started", "switch", canary)
    assert position(events, "step_finished", "through", canary) < position(events, "step_started", "switch", other)


@pytest.mark.faults
def test_a_host_that_can_t_prepare_keeps_all_others_as_they_are(yard: Yard) -> None:
    release, second = yard.health()["release"], apps(yard)[1]
    second.run("chown root:root /srv/chat/releases && chmod 755 /srv/chat/releases")
    yard.change("not everywhere")
    finished = yard.deploy(code=4)
    second.run("chown chat:chat /srv/chat/releases")
    assert harm(finished) == {}, finished["impact"]
    assert set(serving(yard).values()) == {release}


def refused_by_the_second(yard: Yard) -> list[dict[str, Any]]:
    """What a deploy tells whose last gate fails on the second app host, when the first has been switched."""
    server, second = yard.folder / "app" / "server.js", apps(yard)[1]
    text = server.read_text()
    server.write_text(MARKED + text)
    second.run("touch /srv/chat/marked")
    with yard.start("deploy", "vps", "--yes", "--json") as deploying:
        events = until_step(deploying, "start")
        watched = yard.events("attach", "vps", code=5)
        events += map(json.loads, deploying.stdout or ())
    assert deploying.returncode == 5
    assert where(watched, "step_failed", "through") == [second.address]
    assert set(where(watched, "step_started", "start")) == {host.address for host in apps(yard)}
    second.run("rm /srv/chat/marked")
    server.write_text(text)
    assert where(events, "step_failed", "through") == [second.address]
    return events


def test_a_gate_that_fails_on_one_host_takes_every_host_back(yard: Yard) -> None:
    release = yard.health()["release"]
    events = refused_by_the_second(yard)
    assert harm(events[-1]) == {}, events[-1]["impact"]
    assert set(serving(yard).values()) == {release}
    bad = [kept["id"] for kept in yard.json("releases", "vps")["releases"] if kept["state"] == "bad"]
    assert bad == [events[-1]["release"]]
    for host in apps(yard):
        assert host.run("pgrep -af launch.cjs -u chat").out.count(bad[0]) == 0


@pytest.mark.faults
def test_a_host_that_is_down_is_a_choice_and_comes_back(yard: Yard) -> None:
    first, second = apps(yard)
    before = yard.health()["release"]
    second.stop()
    yard.change("while one is down")
    refused = yard.chatops("deploy", "vps", "--yes", code=3)
    assert "--skip-unreachable" in refused.stderr
    assert leads_to(first) == before

    finished = yard.deploy("--skip-unreachable")
    assert harm(finished) == {}, finished["impact"]
    assert leads_to(first) == yard.health()["release"] == finished["release"]
    status = yard.json("status", "vps")
    assert status["state"] == "degraded"
    assert any(second.address in notice for notice in status["notices"])

    with yard.start("monitor", "vps", "--json") as watching:
        until_seen_on(watching, {first.address})
        second.start()
        until_seen_on(watching, {first.address, second.address})
        watching.terminate()
    second.run("timeout 60 sh -c 'until pgrep -u chat -f launch.cjs; do sleep 0.2; done'")
    status = yard.json("status", "vps")
    assert any(second.address in notice and before in notice for notice in status["notices"])

    refused_by_the_second(yard)
    assert serving(yard) == {first.address: finished["release"], second.address: before}, "each went back to its own"
    refusal = yard.chatops("rollback", "vps", finished["release"], "--yes", code=2)
    assert f"is not kept on `{second.address}`" in refusal.stderr
    assert yard.deploy()["release"] == finished["release"]
    assert set(serving(yard).values()) == {finished["release"]}
    assert yard.json("status", "vps")["notices"] == []


@pytest.mark.faults
def test_a_hiccup_of_all_app_hosts_is_over_when_it_is_over(yard: Yard) -> None:
    """Each has failed often enough to be left out by the balancer for a while; as all have, none is."""
    ask = "curl -s -o /dev/null -w '%{http_code} ' http://127.0.0.1/health"
    for host in apps(yard):
        host.run("systemctl stop nginx")
    during = yard.host.run(f"for n in $(seq 10); do {ask}; done").out.split()
    for host in apps(yard):
        host.run("systemctl start nginx")
    after = yard.host.run(f"for n in $(seq 10); do {ask}; done").out.split()
    assert (during, after) == (["502"] * 10, ["200"] * 10)


@pytest.mark.faults
def test_back_restarted_and_scaled(yard: Yard) -> None:
    before, first = at_the_balancer(yard), yard.health()["release"]
    yard.change("to go back from")
    second = yard.deploy()["release"]
    back = yard.events("rollback", "vps", "--yes")[-1]
    assert harm(back) == {}, back["impact"]
    assert set(serving(yard).values()) == {first} != {second}

    old = workers_of(yard, first)
    assert harm(yard.events("restart", "vps", "--yes")[-1]) == {}
    assert not set(old) & set(workers_of(yard, first))

    for count in (3, 2):
        assert harm(yard.events("scale", "vps", str(count), "--yes")[-1]) == {}
        hosts = [host for host, _ in workers_of(yard, first)]
        assert [hosts.count(host.address) for host in apps(yard)] == [count, count]
    assert at_the_balancer(yard) == before


@pytest.mark.faults
def test_logs_and_monitor_are_of_all_hosts(yard: Yard) -> None:
    for _ in range(6):
        yard.health()
    lines = yard.events("logs", "vps", "-n", "500")
    assert {host.address for host in yard.hosts[:3]} <= {line["host"] for line in lines}
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    [snapshot] = yard.json("monitor", "vps", "--once")["targets"]
    assert {worker["host"] for worker in snapshot["workers"]} == {host.address for host in apps(yard)}
