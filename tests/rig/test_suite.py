"""Hosts of another Debian suite, beside those of the first."""

import pytest

from tests.rig.cache import cache
from tests.rig.rig import Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


def test_a_host_of_another_suite_has_that_ones_packages(rig: Rig) -> None:
    first, kept = rig.base("bookworm"), sorted(cache().glob("debian-bookworm-*.tar"))
    with rig.borrowed(rig.base("trixie")) as host:
        assert "VERSION_CODENAME=trixie" in host.ssh("cat /etc/os-release").out
        suites = {line.split()[2].partition("-")[0] for line in host.run("cat /etc/apt/sources.list").out.splitlines()}
        assert suites == {"trixie"}
    assert rig.base("bookworm") == first
    assert sorted(cache().glob("debian-bookworm-*.tar")) == kept
