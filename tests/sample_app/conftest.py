"""Fixtures of the sample chat's tests: a short folder, and databases shared by a session's tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Chat, Server, start_chat, start_postgres, start_redis


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short temporary folder: Unix socket addresses have 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="ct"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def chat(folder: Path) -> Iterator[Chat]:
    """One worker on SQLite."""
    with start_chat(folder) as worker:
        yield worker


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with start_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Server]:
    with start_redis() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def store_env(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a worker on either store."""
    if request.param == "sqlite":
        return {}
    server: Server = request.getfixturevalue("postgres")
    return {"DATABASE_URL": server.url}
