"""The firewall of a server of one's own: it lets in what it should, keeps what was there, and never shuts us out for long."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from chatops.model import App
from chatops.targets.vps import fleet as fleets
from chatops.targets.vps.config import Block
from chatops.targets.vps.provision import firewall
from chatops.targets.vps.provision.firewall import DEAD_MAN
from tests.blocks import block_of
from tests.e2e.yard import Yard
from tests.rig.host import Host
from tests.rig.rig import Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
STAMP = "/var/lib/chatops/chat/stamps/firewall"


def rules(host: Host) -> set[str]:
    """What was allowed and denied, as one would type it."""
    return {line for line in host.run("ufw show added").out.splitlines() if line.startswith("ufw ")}


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


def test_sshd_on_another_port(kept_yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port is the one that sshd really has; one that its file names only is opened for its next start."""
    host = kept_yard.host
    host.run(f"ufw --force reset && rm {STAMP} && echo 'Port 2222' >/etc/ssh/sshd_config.d/port.conf && systemctl restart ssh")
    host.run("echo 'Port 2200' >/etc/ssh/sshd_config.d/port.conf")
    entry = kept_yard.entry

    def elsewhere(host: Host) -> dict[str, Any]:
        return {**entry(host), "address": host.private, "port": 2222}

    monkeypatch.setattr(kept_yard, "entry", elsewhere)
    kept_yard.configure()
    assert kept_yard.deploy()["ok"]
    assert rules(host) == {f"ufw allow {port}/tcp" for port in (2222, 2200, 80, 443)}
    assert active(host)
    assert kept_yard.json("status", "vps")["state"] == "healthy"
