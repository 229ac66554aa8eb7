"""The folder for what can be had again is where platformdirs says, and where we are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_cache_path

from chatops.cachefolder import cache


@pytest.mark.parametrize("given", [None, "/srv/elsewhere", ""])
def test_it_is_where_such_things_are_kept(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    monkeypatch.delenv("CHATOPS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if given is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", given)
    assert cache() == user_cache_path("chatops")


def test_it_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHATOPS_CACHE", str(tmp_path))
    assert cache() == tmp_path


def test_a_path_that_is_not_absolute_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHATOPS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert cache() == Path.home() / ".cache" / "chatops"
