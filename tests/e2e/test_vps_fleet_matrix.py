"""What can go wrong on one host of a fleet, when the other one has been prepared, or switched, with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.matrix import Field, Fields, Watch
from tests.e2e.mishap import FAULTS, PROOFS, REBOOTS, expected, happen, mode, steps_until
from tests.e2e.yard import PACKAGES, harm, leads_to
from tests.rig.host import Host
from tests.rig.mirror import Mirror
from tests.rig.rig import Rig

pytestmark = [pytest.mark.timeout(900), pytest.mark.faults]
ROLES = (["balancer"], ["app"], ["app"], ["data"])


class Split(Field):
    """A fleet whose second app host is behind the link: it is switched when the first has been."""

    @property
    def host(self) -> Host:
        return self.hosts[2]

    def configure(self, roles: Iterable[list[str]] = ROLES, **env: str) -> None:
        """With each host's part."""
        super().configure(roles, **env)

    def settle(self) -> None:
        """The balancer has nothing at first."""
        self.deploy()
        super().settle()

    def serving(self) -> set[str]:
        """The releases that the app hosts lead to."""
        return {leads_to(host) for host in self.hosts[1:3]}


@pytest.fixture(scope="module")
def split(rig: Rig, mirror: Mirror, chat_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fields]:
    """A balancer, two app hosts, and one for the data."""

    def make(open: ExitStack) -> Field:
        images = (rig.warm(*PACKAGES), *[chat_image] * 3)
        hosts = [open.enter_context(rig.borrowed(image)) for image in images]
        wire = open.enter_context(rig.link(hosts[2]))
        return Split(tmp_path_factory.mktemp("split"), hosts, wire, mirror)

    made = Fields(make)
    with made.open:
        yield made


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", ["unpack", "gate", "switch", "through", "drain"])
def test_one_of_two(split: Fields, step: str, fault: str) -> None:
    """All serve the old release, or all are on their way to the new one; a rerun finishes, and users notice nothing."""
    field = split.take()
    assert isinstance(field, Split)
    old = field.health()["release"]
    field.renew()
    with Watch(field) as watch:
        with field.held(step, mode(fault)), field.start("deploy", "vps", "--yes", "--json") as process:
            before = steps_until(process, step, field.place)
            code, said, err = happen(field, process, fault, before, last=step == "drain")
        assert code in expected(fault, proof=step in PROOFS), (code, said, err)
        field.until_free()
        if code and (step in {"unpack", "gate"} or (step != "drain" and code in {4, 5})):
            assert field.serving() == {old}
        for host in field.hosts[1:3]:
            host.run("timeout 60 sh -c 'until curl -sf -o /dev/null http://127.0.0.1:8000/health; do sleep 0.2; done'")
        done = field.deploy()
        assert done["ok"]
        assert not done["changed"] or harm(done) == {}
        field.chatops("plan", "vps", "--detailed-exitcode")
    assert watch.releases <= {old, done["release"]}, (watch.releases, old, done)
    assert watch.failed == [] or fault in REBOOTS, watch.failed
    assert field.serving() == {done["release"]} != {old}
    for host in field.hosts[1:3]:
        field.check_nothing_is_left(done["release"], host)
    split.keep(field)
