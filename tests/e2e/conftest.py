"""Project folders for end-to-end tests; their paths are short, as sockets need it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.matrix import Field, Fields
from tests.e2e.place import Place, place
from tests.e2e.yard import Yard, provisioned
from tests.rig.mirror import Mirror
from tests.rig.rig import Rig


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short temporary folder whose name needs quoting."""
    with tempfile.TemporaryDirectory(prefix="it's $HOME ", ignore_cleanup_errors=True) as name:
        yield Path(name).resolve()


@pytest.fixture
def tiny(folder: Path) -> Iterator[Place]:
    """A project with a tiny app."""
    with place(folder) as made:
        yield made


@pytest.fixture
def chat(folder: Path) -> Iterator[Place]:
    """A project with the bundled chat."""
    with place(folder, "sample") as made:
        yield made


@pytest.fixture(scope="session")
def chat_image(rig: Rig, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A host on which the sample chat was deployed."""
    return provisioned(rig, mirror, tmp_path_factory.mktemp("yard"))


@pytest.fixture
def yard(rig: Rig, mirror: Mirror, chat_image: str, tmp_path: Path) -> Iterator[Yard]:
    """A project whose host has the chat, gone after the test."""
    with rig.borrowed(chat_image) as host:
        made = Yard(tmp_path, [host], mirror)
        made.served()
        yield made


@pytest.fixture(scope="module")
def kept_yard(rig: Rig, mirror: Mirror, chat_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """The same for tests that leave it as it was, or as the next deploy wants it."""
    with rig.borrowed(chat_image) as host:
        made = Yard(tmp_path_factory.mktemp("kept"), [host], mirror)
        made.served()
        yield made


@pytest.fixture(scope="module")
def fields(rig: Rig, mirror: Mirror, chat_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fields]:
    """A host behind a link for tests that break things, and the next one where a test did not mend it."""

    def make(open: ExitStack) -> Field:
        host = open.enter_context(rig.borrowed(chat_image))
        wire = open.enter_context(rig.link(host))
        return Field(tmp_path_factory.mktemp("field"), [host], wire, mirror)

    made = Fields(make)
    with made.open:
        yield made
