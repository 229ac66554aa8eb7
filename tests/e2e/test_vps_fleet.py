"""Several real hosts as one target: everything is proved before anything is switched, and one that is down is a choice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.yard import PACKAGES, Yard, harm
from tests.rig.mirror import Mirror
from tests.rig.rig import Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
ROLES = (["balancer", "app", "data"], ["app"])


@pytest.fixture
def yard(rig: Rig, mirror: Mirror, tmp_path: Path) -> Iterator[Yard]:
    """Two bare hosts: the first does everything, the second runs workers only."""
    hosts = rig.fleet(2, rig.warm(*PACKAGES))
    made = Yard(tmp_path, hosts, mirror)
    made.configure(ROLES)
    yield made
    for host in hosts:
        rig.remove(host)


def test_two_hosts_are_one_target(yard: Yard) -> None:
    first = yard.deploy()
    workers = yard.json("status", "vps")["workers"]
    assert {worker["host"] for worker in workers} == {host.address for host in yard.hosts}
    yard.change("second")
    second = yard.deploy()
    assert harm(second) == {}
    assert yard.health()["release"] == second["release"] != first["release"]

    other = yard.hosts[1]
    other.run("chown root:root /srv/chat/releases && chmod 755 /srv/chat/releases")
    yard.change("third")
    yard.deploy(code=4)
    assert yard.health()["release"] == second["release"]
    assert {one["release"] for one in yard.json("status", "vps")["workers"] if one["host"] == yard.host.address} >= {
        second["release"]
    }
    other.run("chown chat:chat /srv/chat/releases")

    other.stop()
    yard.chatops("deploy", "vps", "--yes", code=3)
    assert yard.deploy("--skip-unreachable")["ok"]
