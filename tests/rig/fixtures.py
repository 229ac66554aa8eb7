"""Fixtures of the rig: made on first use, once a session but for what a test changes. See README.md here."""

from collections.abc import Iterator

import pytest

from tests.rig.engine import Engine
from tests.rig.host import Host
from tests.rig.impostor import Impostor, impostor
from tests.rig.mirror import Mirror, node_mirror
from tests.rig.pebble import Authority, authority
from tests.rig.rig import Rig


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """The session's rig: `rig.host()`, `rig.link(host)`, `rig.variant(...)`."""
    with Rig.open() as rig:
        yield rig


@pytest.fixture(scope="session")
def engine(rig: Rig) -> Engine:
    """The container engine that the hosts run in, for tests of its own."""
    return rig.engine


@pytest.fixture
def fresh_host(rig: Rig) -> Iterator[Host]:
    """A host that nobody has touched, gone after the test."""
    with rig.borrowed() as host:
        yield host


@pytest.fixture(scope="session")
def mirror(rig: Rig) -> Iterator[Mirror]:
    """Node's downloads, for `node_mirror`."""
    with node_mirror(rig.engine.gateway()) as served:
        yield served


@pytest.fixture(scope="session")
def acme(rig: Rig) -> Iterator[Authority]:
    """A certificate authority that the hosts and this machine reach, for `acme_directory` and `ca_bundle`."""
    with authority(rig.engine.gateway()) as made:
        yield made


@pytest.fixture
def stranger() -> Iterator[Impostor]:
    """An sshd with a key that nobody trusts."""
    with impostor() as made:
        yield made
