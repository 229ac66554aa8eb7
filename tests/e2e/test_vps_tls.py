"""TLS on a server of one's own, with a real ACME authority: issued, believed, renewed by the timer, and refused."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.named import DOMAIN, Named
from tests.e2e.yard import PACKAGES, harm
from tests.rig.mirror import Mirror
from tests.rig.pebble import Authority
from tests.rig.rig import Rig

pytestmark = pytest.mark.timeout(900)
LINEAGE = "/etc/letsencrypt/renewal/chatops-chat.conf"


@pytest.fixture
def named(rig: Rig, mirror: Mirror, acme: Authority, tmp_path: Path) -> Iterator[Named]:
    """A bare host, and a name that leads to it."""
    with rig.borrowed(rig.warm(*PACKAGES, "certbot")) as host:
        acme.resolve(DOMAIN, host.address)
        yield Named(tmp_path, [host], mirror, acme=acme)


def redirected(named: Named) -> tuple[int, str | None]:
    link = http.client.HTTPConnection(DOMAIN, timeout=10)
    link.sock = named.dial(80)
    link.request("GET", "/health?a=b", headers={"Host": DOMAIN})
    answer = link.getresponse()
    return answer.status, answer.getheader("Location")


def serial(named: Named) -> Any:
    trust = ssl.create_default_context(cafile=str(named.folder / "authority.pem"))
    with trust.wrap_socket(named.dial(443), server_hostname=DOMAIN) as link:
        certificate = link.getpeercert()
        assert certificate
        return certificate["serialNumber"]


def refused(named: Named, **tls: Any) -> str:
    """What a deploy with other settings says, which does not get its certificate."""
    block = {**named.block, "tls": {**named.block["tls"], **tls}}
    block["domain"] = block["tls"].pop("domain", DOMAIN)
    before, named.block = named.block, block
    named.configure()
    finished = named.deploy(code=4)
    named.block = before
    named.configure()
    assert named.json("status", "vps")["lock"] is None
    return str(finished["error"])


@pytest.mark.faults
def test_a_certificate_that_is_refused(named: Named, acme: Authority) -> None:
    """The reason is told; nothing served before, and plain HTTP answers for the next try; then the same command is enough."""
    gone = f"https://{acme.directory.split('/')[2].rpartition(':')[0]}:9/dir"
    assert "Connection refused" in refused(named, acme_directory=gone)
    acme.resolve("elsewhere.example.test", "127.0.0.1")
    error = refused(named, domain="elsewhere.example.test")
    assert "get a certificate for elsewhere.example.test: certbot: " in error
    assert "refused" in error or "Invalid response" in error or "404" in error, error
    assert named.deploy()["ok"]

    # What serves over TLS goes on when another name, or another address for mail, is refused.
    shutil.copy(named.folder / "chatops.yaml", named.folder / "steady.yaml")
    probe = named.start("--config", "steady.yaml", "probe", "vps", "--seconds", "25", "--json")
    refused(named, domain="elsewhere.example.test")
    assert named.ask().status == 200
    named.block["tls"]["email"] = "others@example.test"
    named.configure()
    named.chatops("deploy", "vps", "--yes")
    out, err = probe.communicate(timeout=60)
    assert out, err
    felt = json.loads(out)["impact"]
    assert (felt["failed"] <= 4, felt["lost"]) == (True, 0), felt  # nginx was reloaded


def test_from_nothing_to_tls_and_its_renewal(named: Named) -> None:
    finished = named.deploy()
    assert finished["ok"]
    assert redirected(named) == (301, f"https://{DOMAIN}/health?a=b")
    answer = named.ask()
    assert (answer.status, answer.getheader("Strict-Transport-Security")) == (200, None)
    versions = (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert [named.speaks(version) for version in versions] == [False, True, True]
    assert named.json("status", "vps")["url"] == f"https://{DOMAIN}"

    named.change("second")
    second = named.deploy()
    assert harm(second) == {}
    assert second["impact"]["messages"] > 0

    first = serial(named)
    named.host.run(f"sed -i 's/.*renew_before_expiry.*/renew_before_expiry = 9999 days/' {LINEAGE}")
    probe = named.start("probe", "vps", "--seconds", "25", "--json")
    named.host.run("systemctl start certbot.service", seconds=120)
    out, err = probe.communicate(timeout=60)
    felt = json.loads(out)["impact"]
    assert (felt["failed"] <= 1, felt["lost"]) == (True, 0), (felt, err)  # nginx was reloaded
    assert serial(named) != first
    assert named.ask().getheader("Strict-Transport-Security") == "max-age=63072000"
    named.chatops("plan", "vps", "--detailed-exitcode", code=0)
    assert named.host.run("systemctl is-enabled certbot.timer; systemctl is-active certbot.timer").out == "enabled\nactive\n"

    # What another authority has made out, such as one for trials, is not kept.
    trial = "s#^server = .*#server = https://trial.example.test/dir#"
    named.host.run(f"sed -i '{trial}' {LINEAGE} && rm /var/lib/chatops/chat/stamps/certificate")
    kept = serial(named)
    named.deploy()
    assert serial(named) != kept
    assert "trial" not in named.host.read(LINEAGE).decode()

    named.chatops("remove", "vps", "--yes", "--purge")
    assert named.host.run("find / -xdev -name '*chatops*' -o -path '/srv/*'").out == ""
