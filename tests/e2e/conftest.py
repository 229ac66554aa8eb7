"""Project folders for end-to-end tests; their paths are short, as sockets need it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.place import Place, place


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
