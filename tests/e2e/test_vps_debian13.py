"""Debian 13, from nothing but sshd to a chat over TLS and back: with newer nginx, PostgreSQL, Redis, OpenSSH and systemd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.named import DOMAIN, Named
from tests.e2e.test_vps_purge import settings
from tests.e2e.yard import PACKAGES, harm
from tests.rig.mirror import Mirror
from tests.rig.pebble import Authority
from tests.rig.rig import Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.fixture
def named(rig: Rig, mirror: Mirror, acme: Authority, tmp_path: Path) -> Iterator[Named]:
    """A bare host, and a name that leads to it."""
    with rig.borrowed(rig.warm(*PACKAGES, "certbot", suite="trixie")) as host:
        acme.resolve(DOMAIN, host.address)
        yield Named(tmp_path, [host], mirror, acme=acme)


def serving(named: Named) -> tuple[Any, Any]:
    """The state of the target and the release that serves, once the host answers."""
    named.served()
    status = named.json("status", "vps")
    return status["state"], status["release"]["id"]


def test_from_nothing_to_a_chat_over_tls_and_back(named: Named) -> None:
    host = named.host
    before = settings(host)
    first = named.deploy()
    assert serving(named) == ("healthy", first["release"])
    doctor = named.json("doctor")
    assert doctor["ok"]
    [rights] = [one["message"] for one in doctor["findings"] if one["name"].endswith(" rights")]
    assert rights == "logged in as root; nothing is due that needs root"
    assert "warn" not in host.run("nginx -t 2>&1").out
    assert "world-inaccessible" not in host.run("journalctl -b --no-pager").out

    named.change("second")
    second = named.deploy()
    assert harm(second) == {}
    assert harm(named.events("rollback", "vps", "--yes")[-1]) == {}
    for hard in (False, True):
        host.restart(hard=hard)
        assert serving(named) == ("healthy", first["release"])
    assert harm(named.deploy()) == {}
    assert not named.deploy()["changed"]
    said = named.chatops("logs", "vps").stdout
    assert f"chat-{second['release']}-0" in said
    assert "nginx" in said

    assert "stays" not in named.chatops("remove", "vps", "--yes", "--purge").stderr
    after = settings(host)
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == set()
    assert host.run("find / -xdev -name '*chatops*' -o -path '/srv/*'").out == ""
