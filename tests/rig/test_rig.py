"""The rig itself: its hosts are real, its links are slow and break as told, and nothing is left behind."""

import contextlib
import hashlib
import ipaddress
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Host, Rig, RigError
from tests.rig.address import is_claimed
from tests.rig.cache import cache
from tests.rig.engine import LABEL, forget_rules
from tests.rig.image import SUITE, base
from tests.rig.impostor import impostor
from tests.rig.mirror import Mirror, node_name
from tests.rig.pebble import Authority
from tests.rig.process import run, wait_until
from tests.rig.require import program

ROOT = Path(__file__).parent.parent.parent
SESSION = """
import signal
from tests.rig import Rig
print(Rig.open().host().claim.number, flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def host(rig: Rig) -> Iterator[Host]:
    """One host for the tests that leave it as it was."""
    with rig.borrowed() as made:
        yield made


def test_a_host_is_a_debian_server_with_systemd_and_sshd(host: Host) -> None:
    assert host.ssh("systemctl is-system-running; systemctl --failed --no-legend").out == "running\n"
    assert f"VERSION_CODENAME={SUITE}" in host.ssh("cat /etc/os-release").out


def test_the_fingerprint_is_what_a_client_sees(host: Host, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(host.known_hosts)
    strict = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known}"]
    program, *rest = host.ssh_line()
    assert subprocess.run([program, *strict, *rest, "true"], timeout=20).returncode == 0
    shown = subprocess.run(["ssh-keygen", "-l", "-F", host.address, "-f", known], capture_output=True, text=True, timeout=10)
    assert host.host_key in shown.stdout


def test_a_failing_command_says_why(host: Host) -> None:
    with pytest.raises(RigError, match="no-such-folder"):
        host.run("ls /no-such-folder")
    assert host.run("exit 3", check=False).code == 3


def test_commands_get_input_and_another_user(host: Host) -> None:
    assert host.run("cat; id -un", user="nobody", input=b"in\n").out == "in\nnobody\n"


def test_looking_at_files_processes_and_places(host: Host) -> None:
    host.run("mkdir -p /srv/look && ln -s /etc/hosts '/srv/look/a link'")
    host.write("/srv/look/a file", "canary-one\n", "640")
    digest = hashlib.sha256(b"canary-one\n").hexdigest()
    assert host.files("/srv/look") == {
        "/srv/look/a link": "777 root:root /etc/hosts",
        "/srv/look/a file": f"640 root:root {digest}",
    }
    assert "root: /sbin/init" in host.processes()
    host.run("systemd-run --unit look --setenv SECRET=canary-two sleep 60")
    assert host.places_of("canary-one") == ["/srv/look/a file"]
    assert any(place.endswith("/environ") for place in host.places_of("canary-two"))
    host.run("systemctl stop look")


def test_a_reboot_keeps_the_disk_and_clears_run(fresh_host: Host) -> None:
    for hard in (False, True):
        fresh_host.run("touch /srv/kept /run/lost")
        address = fresh_host.run("hostname -I").out
        fresh_host.restart(hard=hard)
        assert fresh_host.run("ls -d /srv/kept; ls -d /run/lost", check=False).out == "/srv/kept\n"
        assert fresh_host.run("hostname -I").out == address
        assert fresh_host.ssh("true").code == 0


def test_a_dead_host_refuses_and_a_frozen_one_is_silent(fresh_host: Host) -> None:
    fresh_host.pause()
    with socket.create_connection((fresh_host.address, fresh_host.port), 5) as link, pytest.raises(TimeoutError):
        link.settimeout(1)
        link.recv(1)
    fresh_host.unpause()
    assert fresh_host.ssh("true").code == 0
    fresh_host.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((fresh_host.address, fresh_host.port), 5)


def test_an_impostor_takes_the_place_of_a_stopped_host(fresh_host: Host) -> None:
    fresh_host.stop()
    with impostor(fresh_host.address, fresh_host.port) as stranger:
        assert (stranger.address, stranger.port) == (fresh_host.address, fresh_host.port)
        assert _greeting(stranger.address, stranger.port) == b"SSH-"
        assert stranger.host_key != fresh_host.host_key


def test_two_hosts_are_different_and_reach_each_other(rig: Rig, host: Host) -> None:
    with rig.borrowed() as other:
        assert other.address != host.address
        assert other.host_key != host.host_key
        assert other.read("/etc/machine-id") != host.read("/etc/machine-id")
        asked = f"exec 3<> /dev/tcp/{other.private}/22 && head -c 4 <&3"
        assert host.run(f"bash -c '{asked}'").out == "SSH-"


def test_hosts_see_each_others_addresses(rig: Rig, host: Host) -> None:
    """Firewalls between hosts go by them."""
    with rig.borrowed() as other:
        host.run(f"bash -c 'exec 3<>/dev/tcp/{other.private}/22; timeout 20 cat <&3' >/dev/null 2>&1 & sleep 0.1")
        peers = "until ss -Htn state established sport = :22 | grep .; do sleep 0.1; done"
        assert f"{host.private}:" in other.run(f"timeout 10 sh -c '{peers}'").out


@pytest.mark.usefixtures("rig")
def test_rules_of_a_network_that_is_gone_are_deleted() -> None:
    network = ipaddress.IPv4Network("10.213.99.0/24")
    left = ("POSTROUTING", "-s", str(network), "!", "-o", "br-gone", "-j", "MASQUERADE")
    run(program("iptables"), "--wait", "-t", "nat", "--append", *left)
    forget_rules(network)
    asked = run(program("iptables"), "--wait", "-t", "nat", "--check", *left, check=False)
    assert asked.returncode != 0


def test_a_fleet_has_addresses_of_its_own(rig: Rig) -> None:
    fleet = rig.fleet(3)
    assert len({host.address for host in fleet}) == len({host.private for host in fleet}) == 3
    assert all(host.ssh("hostname").out == f"vps{host.claim.number}\n" for host in fleet)
    for host in fleet:
        rig.remove(host)


def test_a_committed_host_is_the_start_of_others_with_their_own_keys(rig: Rig, fresh_host: Host) -> None:
    fresh_host.run("touch /srv/provisioned")
    image = fresh_host.commit("test-commit")
    try:
        with rig.borrowed(image) as copy:
            assert copy.run("ls /srv").out == "provisioned\n"
            assert copy.host_key != fresh_host.host_key
            assert copy.ssh("true").code == 0
    finally:
        rig.engine.docker("image", "rm", "--force", image)


def test_a_variant_is_prepared_once(rig: Rig) -> None:
    prepared = []

    def prepare(host: Host) -> None:
        prepared.append(host.address)
        host.run("touch /srv/ready")

    images = [rig.variant("test-variant", prepare, key="1") for _ in range(2)]
    rig.engine.docker("image", "rm", "--force", images[0])
    assert len(set(images)) == len(prepared) == 1


def test_the_image_is_cached(rig: Rig) -> None:
    made = [(path, path.stat().st_mtime) for path in cache().glob("debian-*.tar")]
    assert base(rig.engine) == base(rig.engine)
    assert [(path, path.stat().st_mtime) for path in cache().glob("debian-*.tar")] == made


def test_packages_install_and_the_firewall_is_real(rig: Rig) -> None:
    with rig.borrowed(rig.warm("ufw")) as host:
        host.run("apt-get -qy install --no-download ufw", seconds=200)
        host.run("mkdir -p /run/sshd && /usr/sbin/sshd -p 80")
        wait_until("a second sshd greets", lambda: _greeting(host.address, host.ports[80]) == b"SSH-", 10)
        host.run("ufw allow 22/tcp && ufw --force enable")
        assert _greeting(host.address, host.ports[80]) == b""
        assert host.ssh("ufw status | head -1").out == "Status: active\n"


def test_node_comes_from_the_mirror_and_npm_reaches_its_registry(fresh_host: Host, mirror: Mirror) -> None:
    name = node_name(mirror.version)
    fresh_host.run(f"curl -fsSO {mirror.url}/v{mirror.version}/{name}.tar.xz && mkdir node", seconds=120)
    fresh_host.run(f"curl -fsS {mirror.url}/latest-v{mirror.version.split('.')[0]}.x/SHASUMS256.txt | sha256sum -c")
    fresh_host.run(f"tar -xJf {name}.tar.xz -C /opt && ln -s /opt/{name}/bin/* /usr/local/bin/", seconds=120)
    assert fresh_host.ssh("node --version").out == f"v{mirror.version}\n"
    fresh_host.run("useradd -m app")
    installed = fresh_host.run("cd ~app && HOME=~app npm install --no-audit --no-fund ms", user="app", seconds=120)
    assert "added 1 package" in installed.out


def test_the_authority_issues_after_asking_the_host(fresh_host: Host, acme: Authority) -> None:
    fresh_host.run("apt-get -q update && apt-get -qy install --no-install-recommends certbot", seconds=280)
    fresh_host.write("/root/ca.pem", acme.ca_bundle)
    wanted = f"certbot certonly --standalone --non-interactive --agree-tos -m ops@example.com --server {acme.directory}"
    acme.resolve("chat.example.com", fresh_host.address)
    fresh_host.run(f"REQUESTS_CA_BUNDLE=/root/ca.pem {wanted} -d chat.example.com", seconds=120)
    issued = fresh_host.read("/etc/letsencrypt/live/chat.example.com/fullchain.pem")
    assert issued.count(b"BEGIN CERTIFICATE") >= 1
    assert b"BEGIN CERTIFICATE" in acme.root()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_session_leaves_nothing_however_it_ends(rig: Rig, end: signal.Signals) -> None:
    script = (
        "from tests.rig import Rig; import signal; h = Rig.open().host(); print(h.claim.number, flush=True); signal.pause()"
    )
    session = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert session.stdout
    number = session.stdout.readline().decode().strip()
    assert is_claimed(int(number))
    session.send_signal(end)
    session.communicate(timeout=60)
    assert not is_claimed(int(number))
    with Rig.open():
        assert rig.engine.lines("ps", "--all", "--quiet", "--filter", f"label={LABEL}={number}") == []


def test_a_link_leads_to_a_host(rig: Rig, host: Host) -> None:
    program, *options, _ = host.ssh_line()
    with rig.link(host, 0.02) as link:
        options[options.index("-p") + 1] = str(link.port)
        done = subprocess.run(
            [program, *options, f"root@{link.address}", "hostname"], capture_output=True, text=True, timeout=30
        )
        assert done.stdout == host.run("hostname").out
        assert link.traffic.connections == 1
        assert link.traffic.round_trips > 3


def _greeting(address: str, port: int) -> bytes:
    with contextlib.suppress(OSError), socket.create_connection((address, port), 3) as link:
        link.settimeout(3)
        return link.recv(4)
    return b""


def test_the_mirror_has_an_index(mirror: Mirror) -> None:
    with urllib.request.urlopen(f"{mirror.url}/index.json", timeout=10) as answer:  # noqa: S310
        assert f"v{mirror.version}".encode() in answer.read()
    assert any("index.json" in path for path in mirror.asked)
