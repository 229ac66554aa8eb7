"""Node.js on servers of one's own: another version beside the old one, a wrong checksum, a mirror that they can't reach."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

import pytest

from tests.e2e.yard import Yard, harm
from tests.rig.host import Host
from tests.rig.mirror import Mirror, node_mirror
from tests.rig.rig import Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


def nodes(host: Host, run_set: str) -> set[str]:
    """The versions of Node that the workers of a set (`live`, `previous`) run on."""
    found = host.run(f"for file in /srv/chat/run/{run_set}/*.pid.json; do cat $file; echo; done").out
    pids = [json.loads(line)["pid"] for line in found.splitlines() if line]
    programs = [host.run(f"readlink /proc/{pid}/exe", user="chat").out.strip() for pid in pids]
    return {PurePosixPath(program).parts[4] for program in programs}


def test_another_node_between_deploys(yard: Yard, rig: Rig, mirror: Mirror) -> None:
    """New workers run on the new one, old ones on theirs, also when they are started again, or after a reboot."""
    first = yard.health()["release"]
    with node_mirror(rig.engine.gateway(), "24.99.0") as newer:
        yard.block |= {"node": "24.99.0", "node_mirror": newer.url}
        yard.configure()
        yard.change("on another Node")
        second = yard.deploy()
    assert harm(second) == {}
    assert (nodes(yard.host, "live"), nodes(yard.host, "previous")) == ({"24.99.0"}, {mirror.version})
    assert harm(yard.events("rollback", "vps", "--yes")[-1]) == {}
    assert yard.health()["release"] == first
    assert nodes(yard.host, "live") == {mirror.version}

    yard.host.restart()
    assert yard.served() == first
    assert nodes(yard.host, "live") == {mirror.version}
    yard.change("third")
    yard.deploy()
    yard.change("fourth")
    yard.deploy()
    assert yard.events("rollback", "vps", first, "--yes")[-1]["ok"]
    assert nodes(yard.host, "live") == {mirror.version}


def versions(host: Host) -> set[str]:
    """The versions of Node that lie there."""
    return {*host.run("ls /srv/chat/runtime").out.split()} - {"current"}


def test_the_version_alone(yard: Yard, rig: Rig, mirror: Mirror) -> None:
    """The same release is started again on it; the old one goes when no release that is kept needs it, and PM2 neither."""
    with node_mirror(rig.engine.gateway(), "24.98.0") as newer:
        yard.block |= {"node": "24.98.0", "node_mirror": newer.url}
        yard.configure()
        assert harm(yard.deploy()) == {}
        assert nodes(yard.host, "live") == {"24.98.0"}
        assert not yard.deploy()["changed"]
    yard.block["keep"] = 2
    yard.configure()
    for name in ("second", "third", "fourth"):
        assert versions(yard.host) == {mirror.version, "24.98.0"}
        yard.change(name)
        yard.deploy()
    yard.host.restart()
    yard.served()
    yard.change("fifth")
    assert harm(yard.deploy()) == {}
    assert versions(yard.host) == {"24.98.0"}
    logs = yard.host.run("cd /srv/chat/logs && ls").out.split()
    assert {name[5:15] for name in logs} == {kept["id"] for kept in yard.json("releases", "vps")["releases"]}
    assert not yard.deploy()["changed"]


def test_a_wrong_checksum_and_a_mirror_out_of_reach(yard: Yard, rig: Rig) -> None:
    release = yard.health()["release"]
    with node_mirror(rig.engine.gateway(), "24.97.0", "0" * 64) as wrong:
        yard.block |= {"node": "24.97.0", "node_mirror": wrong.url}
        yard.configure()
        failed = yard.chatops("deploy", "vps", "--yes", code=4)
    assert "the archive is not the one whose checksum the mirror names" in failed.stderr
    assert yard.health()["release"] == release
    assert yard.host.run("ls /srv/chat/runtime").out.split() == [
        yard.host.run("readlink /srv/chat/runtime/current").out.strip(),
        "current",
    ]

    with node_mirror("127.0.0.1", "24.96.0") as ours:
        yard.block |= {"node": "24.96.0", "node_mirror": ours.url}
        yard.configure()
        assert yard.deploy()["ok"]
        assert any(path.endswith(".tar.xz") for path in ours.asked)
    assert nodes(yard.host, "live") == {"24.96.0"}
    assert yard.host.run("ls /var/lib/chatops/chat/incoming").out.split() == ["pm2"]
