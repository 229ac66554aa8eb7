"""What tests of the link share: a real sshd for each module, the network before it, and a folder for logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.link import Link as Wire
from tests.vps.sshd import Sshd, sshd


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    """An sshd of the module's own."""
    with sshd() as made:
        yield made


@pytest.fixture
def wire(server: Sshd) -> Iterator[Wire]:
    """A network between us and the server."""
    with Wire("127.0.0.1", {0: server.port}) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for log files."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"
