"""The firewall of a server of one's own: it lets in what it should, keeps what was there, and never shuts us out for long."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from chatops.model import App
from chatops.targets.vps import fleet as fleets
from chatops.targets.vps.config import Block
from chatops.targets.vps.provision import firewall, stores
from chatops.targets.vps.provision.firewall import DEAD_MAN
from chatops.targets.vps.provision.machine import Machine
from tests.blocks import block_of
from tests.e2e.yard import Yard
from tests.rig.host import Host
from tests.rig.rig import Rig

pytestmark = pytest.mark.timeout(900)
STAMP = "/var/lib/chatops/chat/stamps/firewall"


def rules(host: Host) -> set[str]:
    """What was allowed and denied, as one would type it."""
    return {line.partition(" comment ")[0] for line in host.run("ufw show added").out.splitlines() if line.startswith("ufw ")}


def active(host: Host) -> bool:
    return "Status: active" in host.run("ufw status").out


def waiting(host: Host) -> bool:
    """Whether the timer that takes the firewall away runs."""
    return host.run("systemctl is-active chatops-firewall-chat.timer", check=False).out.strip() == "active"


def test_it_is_up_and_stays_up(kept_yard: Yard) -> None:
    assert active(kept_yard.host)
    assert not waiting(kept_yard.host)
    assert rules(kept_yard.host) == {"ufw allow 22/tcp", "ufw allow 80/tcp", "ufw allow 443/tcp"}


def test_rules_that_were_there_are_kept(kept_yard: Yard) -> None:
    host = kept_yard.host
    host.run(f"ufw allow 9999/tcp && ufw deny 25/tcp && ufw limit 8443/tcp && rm {STAMP}")
    before = rules(host)
    assert kept_yard.deploy()["ok"]
    assert rules(host) == before
    assert active(host)
    assert not waiting(host)


@pytest.mark.faults
@pytest.mark.parametrize("before", ["true", "ufw --force disable"], ids=["up", "down"])
def test_ssh_stays_as_restricted_as_it_was(kept_yard: Yard, rig: Rig, before: str) -> None:
    host, gateway = kept_yard.host, rig.engine.gateway()
    host.run(f"ufw allow from {gateway} to any port 22 proto tcp && ufw delete allow 22/tcp && rm {STAMP} && {before}")
    assert kept_yard.deploy()["ok"]
    assert {rule for rule in rules(host) if "22" in rule} == {f"ufw allow from {gateway} to any port 22 proto tcp"}
    assert active(host)
    host.run(f"ufw allow 22/tcp && ufw delete allow from {gateway} to any port 22 proto tcp")


@pytest.mark.faults
def test_ports_on_which_systemd_listens_for_sshd_stay_open(kept_yard: Yard) -> None:
    """With an sshd for each connection, as in older Debian: none of them listens, and none knows the ports."""
    host, before = kept_yard.host, rules(kept_yard.host)
    drop, unit = "/etc/systemd/system/ssh.socket.d", "/etc/systemd/system/ssh@.service"
    host.run(f"mkdir -p {drop}")
    host.write(f"{drop}/ports.conf", "[Socket]\nAccept=yes\nListenStream=2022\nListenStream=127.0.0.1:2023\n")
    each = "ExecStart=-/usr/sbin/sshd -i\nStandardInput=socket\nRuntimeDirectory=sshd\nRuntimeDirectoryPreserve=yes\n"
    host.write(unit, f"[Service]\n{each}")
    host.run("systemctl daemon-reload; systemctl disable --now ssh.service; systemctl enable --now ssh.socket")
    host.run(f"ufw --force disable; rm {STAMP}")
    assert kept_yard.deploy()["ok"]
    assert rules(host) == before | {"ufw allow 2022/tcp"}
    host.run(f"systemctl disable --now ssh.socket; rm -r {drop} {unit}; systemctl daemon-reload")
    host.run("systemctl enable --now ssh.service")
    host.run("ufw delete allow 2022/tcp")


@pytest.mark.faults
def test_a_rule_that_was_taken_away_is_told_and_put_back(kept_yard: Yard) -> None:
    host = kept_yard.host
    before = rules(host)
    host.run("ufw delete allow 80/tcp")
    said = json.loads(kept_yard.chatops("doctor", "vps", "--json", code=None).stdout)["findings"]
    gone = [one["message"] for one in said if "firewall" in one["name"] and one["status"] == "error"]
    assert gone == ["`ufw allow 80/tcp` is gone"]
    assert kept_yard.deploy()["changed"]
    assert rules(host) == before
    assert not kept_yard.deploy()["changed"]
    assert not waiting(host)


def member(name: str, balancer: str, *others: str) -> Machine:
    """An app host of a fleet, with the stores."""
    hosts = [
        {"address": "203.0.113.1", "private": balancer, "roles": ["balancer"]},
        {"address": "203.0.113.2", "private": "10.0.0.2", "roles": ["app", "data"]},
        *({"address": f"203.0.113.9{number}", "private": one, "roles": ["app"]} for number, one in enumerate(others)),
    ]
    return fleets.fleet(App(name, Path("app")), block_of(Block, {"hosts": hosts}), {}).machines["203.0.113.2"]


def opened(host: Host) -> set[str]:
    """The rules for other hosts: `ADDRESS PORT`."""
    return {" ".join(rule.split()[3:8:4]) for rule in rules(host) if " from 10." in rule}


@pytest.mark.faults
def test_a_fleet_opens_what_it_uses_and_shuts_what_it_used(kept_yard: Yard) -> None:
    """Two apps, of which one has the Redis that was there first; the balancer of one moves, and one host goes."""
    host = kept_yard.host

    def put(machine: Machine, port: int, *then: str) -> None:
        host.run(f"mkdir -p {machine.stamps}; echo 'port {port}' >{stores.redis_config(machine)}")
        host.run("\n".join(["set -e", firewall.step(machine).action, *(then or [firewall.disarmed(machine)])]))

    before, other = rules(host), {"10.0.0.8 8000", "10.0.0.2 6379", "10.0.0.2 5432"}
    put(member("other", "10.0.0.8"), 6379)
    put(member("talk", "10.0.0.1", "10.0.0.3"), 6380)
    mine = {f"10.0.0.{number} {port}" for number in (2, 3) for port in (6380, 5432)}
    assert opened(host) == other | mine | {"10.0.0.1 8000"}

    moved = member("talk", "10.0.0.9")
    host.run("ufw allow from 10.0.0.77 to any port 8000 proto tcp")
    put(moved, 6380, f"touch {moved.stamps}/firewall")
    assert opened(host) == other | {"10.0.0.9 8000", "10.0.0.2 6380", "10.0.0.77 8000"}
    assert host.run("systemctl is-active chatops-firewall-talk.timer").out == "active\n"
    host.run("systemctl stop chatops-firewall-talk.timer; systemctl start chatops-firewall-talk.service")
    assert opened(host) == other | mine | {"10.0.0.1 8000", "10.0.0.77 8000"}
    assert active(host)
    assert host.run(f"ls {moved.stamps}").out == "", "the next deploy does it again"

    host.run("rm -r /var/lib/chatops/other /var/lib/chatops/talk /etc/redis/redis-other.conf /etc/redis/redis-talk.conf")
    host.run(f"{firewall.swept(moved)}\nufw delete allow from 10.0.0.77 to any port 8000 proto tcp")
    assert rules(host) == before


@pytest.mark.faults
def test_rules_that_shut_us_out_go_away_again(kept_yard: Yard, rig: Rig) -> None:
    """A rule that somebody left in a ufw that was off comes into force with it, and new connections of ours are dropped."""
    host = kept_yard.host
    host.run(f"ufw --force disable && ufw prepend deny proto tcp from {rig.engine.gateway()} to any port 22")
    before, begun = rules(host), time.monotonic()
    release = kept_yard.health()["release"]
    failed = kept_yard.chatops("deploy", "vps", "--yes", code=4)
    assert time.monotonic() - begun < DEAD_MAN + 60
    assert f"the firewall of `{host.address}` shut us out" in failed.stderr
    assert "it went away again by itself, and all is as before" in failed.stderr
    assert not active(host)
    assert rules(host) == before
    status = kept_yard.json("status", "vps")
    assert (status["release"]["id"], status["lock"]) == (release, None)

    host.run(f"ufw delete deny proto tcp from {rig.engine.gateway()} to any port 22")
    assert kept_yard.deploy()["ok"]
    assert active(host)
    assert not waiting(host)


@pytest.mark.faults
def test_a_reboot_before_it_is_confirmed_takes_it_away(kept_yard: Yard) -> None:
    """The plug is pulled after the firewall came up, and before we came in again; the next deploy puts it up."""
    host = kept_yard.host
    host.run(f"ufw --force disable && ufw delete allow 443/tcp && rm {STAMP}")
    before = rules(host)
    block = block_of(Block, {"hosts": [{"address": host.address}]})
    [machine] = fleets.fleet(App("chat", Path("app")), block, {}).machines.values()
    host.run(f"set -e\n{firewall.step(machine).action}")
    assert active(host)
    assert waiting(host)
    host.restart(hard=True)
    assert not active(host)
    assert rules(host) == before
    assert host.run("ls /etc/systemd/system").out.count("chatops-firewall") == 0

    assert kept_yard.deploy()["ok"]
    assert active(host)
    assert not waiting(host)
    host.restart(hard=True)
    assert active(host)
    assert rules(host) == before | {"ufw allow 443/tcp"}


@pytest.mark.faults
def test_sshd_on_another_port(kept_yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port is the one that sshd really has; one that its file names only is opened for its next start."""
    host = kept_yard.host
    host.run(f"ufw --force reset && rm {STAMP} && echo 'Port 2222' >/etc/ssh/sshd_config.d/port.conf && systemctl restart ssh")
    host.run("echo 'Port 2200' >/etc/ssh/sshd_config.d/port.conf")
    come_by(kept_yard, 2222, monkeypatch)
    assert kept_yard.deploy()["ok"]
    assert rules(host) == {f"ufw allow {port}/tcp" for port in (2222, 2200, 80, 443)}
    assert active(host)
    assert kept_yard.json("status", "vps")["state"] == "healthy"


DOOR = """
printf '[Socket]\\nListenStream=2244\\nAccept=yes\\n' >/etc/systemd/system/door.socket
printf '[Service]\\nExecStart=-/usr/sbin/sshd -i\\nStandardInput=socket\\n' >/etc/systemd/system/door@.service
systemctl daemon-reload && systemctl start door.socket
"""


@pytest.mark.faults
def test_an_sshd_that_systemd_starts_for_each_connection(kept_yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of sshd's listens, and its file names another port: the one through which we came in is kept open."""
    host = kept_yard.host
    host.run(f"ufw --force reset && rm {STAMP} && {DOOR.strip()}")
    come_by(kept_yard, 2244, monkeypatch)
    assert kept_yard.deploy()["ok"]
    assert "ufw allow 2244/tcp" in rules(host)
    assert kept_yard.json("status", "vps")["state"] == "healthy"


def come_by(yard: Yard, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the host is reached through another port."""
    entry = yard.entry

    def elsewhere(host: Host) -> dict[str, Any]:
        return {**entry(host), "address": host.private, "port": port}

    monkeypatch.setattr(yard, "entry", elsewhere)
    yard.configure()
