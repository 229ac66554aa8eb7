"""Every step of a change, and all that can go wrong in it, on a real host: what served serves on, and a rerun converges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.matrix import STORE, Field, Fields, Watch
from tests.e2e.mishap import FAULTS, PROOFS, REBOOTS, expected, happen, mode, steps_until
from tests.e2e.named import DOMAIN, Named
from tests.e2e.yard import harm, leads_to
from tests.rig.mirror import Mirror
from tests.rig.pebble import Authority
from tests.rig.rig import Rig

pytestmark = pytest.mark.timeout(600)

PROVISION = ("packages", "account", "node", "pm2", "unit", "rotation", "limits", "redis", "postgres", "site", "firewall")
SECURE = ("site_http", "certificate")
TIDY = ("old_pm2", "old_node")
RELOADS = {"limits", "site", *SECURE}
"""Steps after which nginx is reloaded, twice in a rerun at most: each may cost a kept-alive connection (docs/architecture)."""
ROOT = {*PROVISION, *SECURE, *TIDY}
PREPARE = ("unpack", "modules", "link", "secret", "record", "start", "gate")
SWITCH = ("switch", "through")
SETTLE = ("drain", "stop", "prune")
STEPS = (*PREPARE, *SWITCH, *SETTLE)
SHORT = {
    ("start", "sigkill"),
    ("gate", "sigint"),
    ("switch", "cut"),
    ("through", "fails"),
    ("drain", "fails"),
}
"""What also runs where the rest would take too long."""
CELLS = [
    pytest.param(step, fault, id=f"{step}-{fault}", marks=() if (step, fault) in SHORT else pytest.mark.faults)
    for step in STEPS
    for fault in FAULTS
]


@pytest.fixture(scope="module")
def secured(
    rig: Rig, mirror: Mirror, acme: Authority, chat_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fields]:
    """The same as `fields` with a name and a certificate."""

    def make(open: ExitStack) -> Field:
        host = open.enter_context(rig.borrowed(chat_image))
        wire = open.enter_context(rig.link(host))
        acme.resolve(DOMAIN, host.address)
        return Secured(tmp_path_factory.mktemp("secured"), [host], wire, mirror, acme=acme)

    made = Fields(make)
    with made.open:
        yield made


class Secured(Named, Field):
    """A field that is asked over TLS."""

    def settle(self) -> None:
        """It has no certificate at first."""
        self.deploy()
        super().settle()


@pytest.mark.parametrize(("step", "fault"), CELLS)
def test_a_deploy(fields: Fields, step: str, fault: str) -> None:
    check(fields, step, fault)


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", [*PROVISION, *TIDY])
def test_provisioning(fields: Fields, step: str, fault: str) -> None:
    """A step of root's that is due again, with a new release behind it."""
    check(fields, step, fault)


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", SECURE)
def test_certificates(secured: Fields, step: str, fault: str) -> None:
    check(secured, step, fault)


def check(fields: Fields, step: str, fault: str) -> None:
    """One cell: before the switch the old release serves, then old or new; a rerun finishes, and nothing is left over."""
    field = fields.take()
    old, warm = field.health()["release"], leads_to(field.host, "previous")
    field.renew(modules=step == "modules", secret=step == "secret")
    make_due(field, step)
    name = f"secret_MADE_{field.number}" if step == "secret" else step
    with Watch(field) as watch:
        with field.held(name, mode(fault)), field.start("deploy", "vps", "--yes", "--json") as process:
            before = steps_until(process, name, field.place)
            code, said, err = happen(field, process, fault, before, root=step in ROOT, last=step in SETTLE)
        assert code in expected(fault, proof=step in PROOFS, last=step == STEPS[-1]), (code, said, err)
        assert said.get("exit_code", code) == code
        field.until_free()
        serves = field.served()
        if step not in {*SWITCH, *SETTLE} and fault not in {"cut", "freeze"}:
            assert serves == old
        done = field.deploy()
        assert done["ok"]
        felt = harm(done) if done["changed"] else {}
        assert felt.pop("failed", 0) <= (2 if step in RELOADS else 0), done["impact"]
        assert felt == {}
        field.chatops("plan", "vps", "--detailed-exitcode")
    well_served(watch, fault, {old, done["release"]}, warm)
    assert done["release"] != old
    field.check_nothing_is_left(done["release"])
    fields.keep(field)


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("step", "count"), [("start", 3), ("gate", 3), ("stop", 1)])
def test_scaling(fields: Fields, step: str, count: int, fault: str) -> None:
    """Nobody notices, and the same command again is enough."""
    field = fields.take()
    release, warm = field.health()["release"], leads_to(field.host, "previous")
    scale = ("scale", "vps", str(count), "--yes", "--json")
    with Watch(field) as watch:
        with field.held(step, mode(fault)), field.start(*scale) as process:
            before = steps_until(process, step, field.place)
            code, said, err = happen(field, process, fault, before, last=True)
        assert code in expected(fault, proof=step in PROOFS, last=step != "start"), (code, said, err)
        field.until_free()
        field.served()
        for wanted in (count, 2):
            field.chatops("scale", "vps", str(wanted), "--yes")
            assert len([one for one in field.json("status", "vps")["workers"] if one["release"] == release]) == wanted
    well_served(watch, fault, {release}, warm)
    field.check_nothing_is_left(release)
    fields.keep(field)


def make_due(field: Field, step: str) -> None:
    """Makes a step of root's one that has to be done."""
    if step in {*PROVISION, "certificate"}:
        field.host.run(f"rm {STORE}/stamps/{step}")
    elif step == "old_pm2":
        field.host.run("mkdir /srv/chat/tools/pm2-1.0.0")
    elif step == "old_node":
        field.host.run("mkdir -p /srv/chat/runtime/1.0.0/bin && cp /bin/true /srv/chat/runtime/1.0.0/bin/node")
    elif step == "site_http":  # the site is another domain's, and the certificate, too
        field.host.run(f"rm {STORE}/stamps/certificate && sed -i 's/{DOMAIN}/other.test/' /etc/nginx/conf.d/chatops-chat.conf")


def well_served(watch: Watch, fault: str, releases: set[str], warm: str) -> None:
    """While a host boots its warm workers may be up before those that serve: nginx takes them as its backup."""
    allowed = {*releases, *([warm] if fault in REBOOTS else [])}
    assert watch.releases <= allowed, (watch.releases, allowed)
    assert watch.failed == [] or fault in REBOOTS, watch.failed
    assert watch.asked > 20
