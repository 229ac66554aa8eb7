"""The main job on a server of one's own, as a user does it: from nothing but sshd to a chat, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.yard import PACKAGES, Yard, harm
from tests.rig.mirror import Mirror
from tests.rig.rig import Rig
from tests.schemas import hold

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def bare(rig: Rig, mirror: Mirror, tmp_path: Path) -> Iterator[Yard]:
    """A project whose host has nothing but sshd; its packages are downloaded, so that the network is not what is measured."""
    with rig.borrowed(rig.warm(*PACKAGES)) as host:
        yield Yard(tmp_path, [host], mirror)


def test_from_a_bare_host_to_a_chat_and_back(bare: Yard) -> None:
    before = bare.host.processes()
    finished = bare.deploy()
    assert bare.health()["release"] == finished["release"]
    told = bare.json("status", "vps")
    rows = [one for values in told["health"]["checks"].values() for one in values]
    assert {one["componentId"]: one["status"] for one in rows} == {"postgres": "pass", "redis": "pass"}
    assert all(worker["cpu_percent"] > 0 for worker in told["workers"])
    doctor = bare.json("doctor")
    hold(doctor, "doctor")
    assert doctor["ok"]
    assert set(doctor["facts"][bare.host.address]["releases"]) == {finished["release"]}
    bare.chatops("plan", "--detailed-exitcode", code=0)

    probe = bare.json("probe", "vps", "--seconds", "2")["impact"]
    assert (probe["messages"] > 10, probe["failed"], probe["lost"]) == (True, 0, 0)

    assert "stays" not in bare.chatops("remove", "vps", "--yes", "--purge").stderr
    assert bare.host.run("getent passwd chat", check=False).code != 0
    assert bare.host.run("find / -xdev -name '*chatops*' -o -path '/srv/*'").out == ""
    owners = {line.partition(":")[0] for line in set(bare.host.processes()) - set(before)}
    assert owners <= {"root"}, bare.host.processes()


def test_a_changed_file_a_way_back_and_forth(yard: Yard) -> None:
    first = yard.health()["release"]
    assert not yard.deploy()["changed"]
    yard.change("second")
    second = yard.deploy()
    assert second["release"] != first
    assert harm(second) == {}
    assert yard.health()["release"] == second["release"]

    back = yard.events("rollback", "vps", "--yes")[-1]
    assert (back["release"], back["ok"]) == (first, True)
    assert harm(back) == {}
    assert yard.health()["release"] == first

    yard.change("third")
    assert yard.deploy()["ok"]
    cold = yard.events("rollback", "vps", second["release"], "--yes")
    assert "gate" in {event.get("step") for event in cold}
    assert yard.health()["release"] == second["release"]


def test_scale_restart_and_reboot(yard: Yard) -> None:
    release = yard.health()["release"]
    proxies = yard.host.run("pgrep -x nginx").out
    for count in (3, 2):
        assert harm(yard.events("scale", "vps", str(count), "--yes")[-1]) == {}
        assert len(yard.json("status", "vps")["workers"]) == count
        led = yard.host.run("readlink -f /srv/chat/run/live/slot.* | sort | uniq -c").out.split()[::2]
        assert led == [str(12 // count)] * count
    assert yard.host.run("pgrep -x nginx").out == proxies
    before = {worker["pid"] for worker in yard.json("status", "vps")["workers"]}
    assert harm(yard.events("restart", "vps", "--yes")[-1]) == {}
    status = yard.json("status", "vps")
    assert not before & {worker["pid"] for worker in status["workers"]}

    for hard in (False, True):
        yard.host.restart(hard=hard)
        assert yard.served() == release
    assert yard.json("status", "vps")["state"] == "healthy"


def test_a_release_that_does_not_start_changes_nothing(yard: Yard) -> None:
    release = yard.health()["release"]
    finished = yard.deploy_dead("console.error('no settings'); process.exit(3)\n")
    assert harm(finished) == {}
    assert yard.health()["release"] == release
    assert not yard.deploy()["changed"]


def test_later_deploys_need_no_root(yard: Yard) -> None:
    """Root can do everything, so the app's own user logs in."""
    key = yard.host.read("/root/.ssh/authorized_keys").decode()
    yard.host.run("usermod -s /bin/sh chat && install -d -m 700 -o chat -g chat /srv/chat/.ssh")
    yard.host.write("/srv/chat/.ssh/authorized_keys", key)
    yard.host.run("chown chat /srv/chat/.ssh/authorized_keys")
    entry = yard.entry
    yard.entry = lambda host: {**entry(host), "user": "chat"}  # type: ignore[method-assign]
    yard.configure()
    yard.change("without rights")
    assert harm(yard.deploy()) == {}
    [rights] = [one for one in yard.json("doctor")["findings"] if one["name"].endswith(" rights")]
    assert (rights["status"], rights["message"]) == ("ok", "logged in as chat; nothing is due that needs root")


def test_secrets_stay_where_they_belong(yard: Yard) -> None:
    yard.env["CANARY"] = "c4n4ry-'\"$(id)-value"
    yard.secrets["TOKEN"] = {"env": "CANARY"}
    yard.configure()
    said = yard.chatops("deploy", "vps", "--yes", "--verbose")
    places = yard.host.places_of("c4n4ry-")
    assert [place.rpartition("/")[0] for place in places if not place.startswith("/proc/")] == ["/srv/chat/shared/env"]
    assert not [place for place in places if place.endswith("cmdline")]
    assert "c4n4ry" not in said.stdout + said.stderr
    shown = yard.chatops("run", "vps", "--", "node", "-p", "process.env.TOKEN").stdout
    assert shown == "c4n4ry-'\"$(id)-value\n"
