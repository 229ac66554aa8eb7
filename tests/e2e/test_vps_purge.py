"""The app taken away from servers that are somebody's: what is theirs stays, and nothing of ours does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatops.targets.vps.provision import purge, stores
from tests.e2e.test_vps_firewall import member
from tests.e2e.yard import PACKAGES, Yard
from tests.rig.host import Host
from tests.rig.mirror import Mirror
from tests.rig.rig import Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
SITE = "server { listen 8081; location / { return 200 theirs; } }"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install"
OURS = "find / -xdev -name '*chatops*' -o -path '/srv/chat*'"
CONTROL = """\
Package: theirs
Version: 1
Architecture: all
Maintainer: A <a@example.com>
Description: needs what came with the app
Depends: redis-tools
"""
VOLATILE = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid", "/etc/ld.so.cache")


@pytest.fixture
def settled(rig: Rig, mirror: Mirror, tmp_path: Path) -> Iterator[Yard]:
    """A project whose host has been somebody's for long: with a web server, a database server and a firewall in use."""
    with rig.borrowed(rig.warm(*PACKAGES)) as host:
        host.run(f"apt-get -qq update; {APT} nginx postgresql ufw", seconds=300)
        host.run("ufw allow 22/tcp && ufw allow 80/tcp && ufw allow 9999/tcp && ufw --force enable")
        yield Yard(tmp_path, [host], mirror)


def settings(host: Host) -> dict[str, str]:
    """What is in /etc, but for what every change of users or packages touches."""
    return {path: seen for path, seen in host.files("/etc").items() if not path.removesuffix("-").startswith(VOLATILE)}


def says(host: Host, port: int) -> str:
    return host.run(f"curl -s http://127.0.0.1:{port}/", check=False).out


def test_a_host_that_had_it_all_is_as_before(settled: Yard) -> None:
    """After two apps of ours, of which one had its stores there as part of a fleet."""
    host = settled.host
    before, page = settings(host), says(host, 80)
    assert "Welcome to nginx" in page
    settled.deploy()
    other = replace(member("talk", "10.0.0.1"), roles=("data",))
    host.run(f"mkdir -p {other.stamps}\nset -e\n{stores.postgres(other).action}")
    assert settings(host).keys() - before.keys()
    settled.chatops("remove", "vps", "--yes", "--purge")
    assert "talk" in host.run("cat /etc/postgresql/*/main/pg_hba.conf").out
    for step in purge.purge(other):
        host.run(f"tell() {{ echo $1; }}\nset -e\n{step.action}")
    host.run(f"rm -r {other.store} && rmdir {other.store.parent}")
    after = settings(host)
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == set()
    assert says(host, 80) == page
    assert "Status: active" in host.run("ufw status").out
    assert host.run(OURS).out == ""


def test_what_somebody_has_put_there_since_stays(yard: Yard) -> None:
    """A site, a database, a rule, a package that needs one of ours: they go on, and what carries them does."""
    host = yard.host
    host.run(f"echo '{SITE}' >/etc/nginx/conf.d/theirs.conf && systemctl reload nginx && ufw allow 8081/tcp")
    host.run("cd / && runuser -u postgres -- createdb theirs")
    host.run("mkdir -p /opt/theirs/DEBIAN")
    host.write("/opt/theirs/DEBIAN/control", CONTROL)
    host.run("dpkg-deb --build /opt/theirs /opt/theirs.deb && dpkg -i /opt/theirs.deb")
    said = yard.chatops("remove", "vps", "--yes", "--purge").stderr
    assert says(host, 8081) == "theirs"
    assert "theirs" in host.run("cd / && runuser -u postgres -- psql -qtAX -c 'SELECT datname FROM pg_database'").out
    rules = {line.partition(" comment")[0] for line in host.run("ufw show added").out.splitlines()[1:]}
    assert rules == {"ufw allow 22/tcp", "ufw allow 8081/tcp"}
    told = {line.split()[1] for line in said.splitlines() if "stays: others use it" in line}
    assert told == {"nginx", "postgresql", "ufw"}
    assert host.run("command -v redis-server", check=False).code != 0
    assert host.run("command -v redis-cli && dpkg-query -W -f '${db:Status-Status}' theirs").out.endswith("installed")
    [left] = [line for line in said.splitlines() if "what other packages need stays" in line]
    assert "redis-tools" in left
    assert host.run(OURS).out == ""


def test_it_is_taken_away_while_nginx_is_stopped(yard: Yard) -> None:
    yard.host.run("systemctl stop nginx")
    yard.chatops("remove", "vps", "--yes")
    assert not yard.host.run("ls /etc/nginx/conf.d").out


def test_a_user_of_the_apps_name_keeps_what_is_his(rig: Rig, mirror: Mirror, tmp_path: Path) -> None:
    """The deploy is refused; who then tidies up takes nothing of his away."""
    with rig.borrowed(rig.warm(*PACKAGES)) as host:
        yard = Yard(tmp_path, [host], mirror)
        host.run("useradd --create-home chat && mkdir /srv/chat && touch /srv/chat/his")
        assert "a user named chat exists, and its home is /home/chat" in yard.deploy(code=4)["error"]
        yard.chatops("remove", "vps", "--yes", "--purge")
        assert host.run("getent passwd chat && ls /srv/chat /home").code == 0
        assert host.run("ls /srv/chat /home").out.split() == ["/home:", "chat", "/srv/chat:", "his"]
        assert host.run("find / -xdev -name '*chatops*'").out == ""
