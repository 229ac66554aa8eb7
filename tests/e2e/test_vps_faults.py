"""What goes wrong on servers: full disks, busy package managers, registries that are down, files broken by hand."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest

from chatops.targets.vps.provision import packages
from tests.e2e.yard import Yard, harm

pytestmark = pytest.mark.timeout(900)
FREE_MIB = 30
"""Less than what a deploy asks for."""
HOLD = """
use Fcntl;
open my $file, ">", $ARGV[0] or die;
my $lock = pack("s s x!8 q q i x4", F_WRLCK, 0, 0, 0, 0); # struct flock, see fcntl(2)
fcntl($file, F_SETLK, $lock) or die "not held: $!";
sleep $ARGV[1];
"""


def still(yard: Yard, release: str) -> None:
    """After a failure: what served before serves, and nobody holds the lock."""
    assert yard.health()["release"] == release
    status = yard.json("status", "vps")
    assert (status["state"], status["lock"]) == ("healthy", None)


@pytest.fixture
def small(yard: Yard) -> Yard:
    """A host whose app lies on a file system of its own with FREE_MIB left."""
    yard.host.run(f"""
        systemctl stop pm2-chat
        used=$(du -sm --apparent-size /srv/chat | cut -f1)
        mount -t tmpfs -o size=$((used + {FREE_MIB}))m,mode=710,uid=$(id -u chat),gid=$(id -g www-data) none /mnt
        cp -a /srv/chat/. /mnt/
        mount --move /mnt /srv/chat
        systemctl start pm2-chat
    """)
    yard.served()
    return yard


@pytest.mark.faults
def test_a_full_disk(small: Yard) -> None:
    """Refused before anything is sent, or while it is; with room again the same command is enough."""
    release = small.health()["release"]
    small.change("second")
    refused = small.chatops("deploy", "vps", "--yes", code=4)
    assert "MiB free on /srv/chat" in refused.stderr
    still(small, release)

    small.host.run(
        "mount -o remount,size=2g,nr_inodes=1m /srv/chat && used=$(df --output=iused /srv/chat | tail -n 1) && "
        "mount -o remount,nr_inodes=$((used + 40)) /srv/chat"
    )
    refused = small.chatops("deploy", "vps", "--yes", code=4)
    assert "inodes free on /srv/chat" in refused.stderr
    still(small, release)

    small.host.run(
        "mount -o remount,nr_inodes=1m /srv/chat && used=$(df -m --output=used /srv/chat | tail -n 1) && "
        "mount -o remount,size=$((used + 70))m /srv/chat"
    )
    big = small.folder / "app" / "public" / "big.bin"
    big.write_bytes(secrets.token_bytes(90 << 20))
    refused = small.chatops("deploy", "vps", "--yes", code=4)
    assert "No space left on device" in refused.stderr
    still(small, release)

    big.unlink()
    small.host.run("mount -o remount,size=2g /srv/chat")
    assert harm(small.deploy()) == {}


@pytest.mark.faults
def test_somebody_else_works_with_apt(kept_yard: Yard) -> None:
    """A new host installs its updates when we come: that is waited for, and told."""
    host = kept_yard.host
    host.write("/root/hold.pl", HOLD)
    host.run("dpkg --purge --force-depends logrotate")
    host.run("systemd-run --quiet --unit=updates perl /root/hold.pl /var/lib/apt/lists/lock 200 && sleep 0.5")
    process = kept_yard.start("deploy", "vps", "--yes", "--json")
    assert process.stdout
    waiting = next(line for line in process.stdout if '"waiting: ' in line)
    assert "waiting: apt is in use by perl (process " in waiting
    host.run("systemctl stop updates")
    rest = process.communicate(timeout=120)[0]
    assert process.returncode == 0, rest
    assert host.run("dpkg-query -W -f '${db:Status-Status}' logrotate").out == "installed"

    host.run("systemd-run --quiet --unit=updates2 perl /root/hold.pl /var/lib/dpkg/lock-frontend 30 && sleep 0.5")
    given_up = host.run(f"{packages.WAITING}\nawait_apt 2", check=False)
    assert given_up.code == 1
    assert "apt is in use by perl (process " in given_up.out
    host.run("systemctl stop updates2")


@pytest.fixture
def offline(kept_yard: Yard) -> Iterator[Yard]:
    """A host that reaches no registry, and has nothing of what it fetched before."""
    host = kept_yard.host
    route = host.run("ip route show default").out.strip()
    host.run("ip route del default && rm -rf /srv/chat/.npm")
    yield kept_yard
    host.run(f"ip route replace {route}")


@pytest.mark.faults
def test_the_npm_registry_is_down(offline: Yard) -> None:
    """Where dependencies have not changed, nobody asks it; where they have, what serves goes on."""
    offline.change("offline")
    assert harm(offline.deploy()) == {}
    release = offline.health()["release"]
    lock = offline.folder / "app" / "package-lock.json"
    before = lock.read_text()
    lock.write_text(json.dumps({**json.loads(before), "x": 1}))
    failed = offline.chatops("deploy", "vps", "--yes", code=4)
    assert "install dependencies (npm ci): " in failed.stderr
    assert any(word in failed.stderr for word in ("ENETUNREACH", "EAI_AGAIN", "ENOTFOUND")), failed.stderr
    still(offline, release)
    lock.write_text(before)
    assert not offline.deploy()["changed"]


def test_a_site_broken_by_hand(kept_yard: Yard) -> None:
    """What is ours is mended; what is not is named and left alone, and nginx goes on with what it has."""
    host, ours = kept_yard.host, "/etc/nginx/conf.d/chatops-chat.conf"
    release, good = kept_yard.health()["release"], host.read(ours)
    host.run(f"echo 'oops;' >>{ours}")
    assert kept_yard.deploy()["ok"]
    assert host.read(ours) == good

    host.write("/etc/nginx/conf.d/theirs.conf", "server { listen 8081; oops; }\n")
    kept_yard.change("beside a broken site")
    assert kept_yard.deploy()["ok"]
    release = kept_yard.health()["release"]

    host.run(f"sed -i 's/nosniff/sniff/' {ours}")
    touched = host.read(ours)
    failed = kept_yard.chatops("deploy", "vps", "--yes", code=4)
    assert 'unknown directive "oops" in /etc/nginx/conf.d/theirs.conf:1' in failed.stderr
    assert host.read(ours) == touched
    assert host.run("systemctl is-active nginx").out.strip() == "active"
    still(kept_yard, release)
    host.run("rm /etc/nginx/conf.d/theirs.conf")
    assert kept_yard.deploy()["ok"]
    assert host.read(ours) == good


def no_orphans(yard: Yard) -> None:
    """Every process of a worker is one that is known, and all of what serves is there."""
    seen = yard.json("status", "vps")
    found = yard.host.run("pgrep -u chat -f scripts/.*/launch.cjs || :").out.split()
    assert sorted(int(pid) for pid in found) == sorted(worker["pid"] for worker in seen["workers"])
    assert (seen["state"], seen["lock"]) == ("healthy", None)


@pytest.mark.faults
def test_pm2_is_killed(kept_yard: Yard) -> None:
    """Where it is gone, that is told and a deploy brings it back; killed, systemd does. No worker is there twice."""
    host = kept_yard.host
    host.run("systemctl stop pm2-chat")
    assert kept_yard.json("status", "vps")["state"] == "down"
    findings = {one["name"].partition(" ")[2]: one for one in kept_yard.json("doctor", "vps")["findings"]}
    assert findings["boot"]["message"].startswith("PM2 does not run")
    assert kept_yard.deploy()["ok"]
    no_orphans(kept_yard)

    host.run("kill -9 $(cat /srv/chat/pm2/pm2.pid)")
    host.run("timeout 60 sh -c 'until grep -qs PM2 /proc/$(cat /srv/chat/pm2/pm2.pid)/cmdline; do sleep 0.2; done'")
    kept_yard.served()
    no_orphans(kept_yard)
    kept_yard.change("after PM2 was killed")
    assert harm(kept_yard.deploy()) == {}
    no_orphans(kept_yard)
