"""The first command that a new user types, in a pipe: it shows the chat, and takes away what it started."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.e2e.project import Project
from tests.needs import need_node


def test_the_demo_in_a_pipe_shows_the_chat_and_leaves_nothing(folder: Path) -> None:
    done = Project(folder, CHATOPS_NODE=str(need_node())).chatops("demo")
    assert "state     healthy" in done.stdout
    assert "2 of 2 workers up" in done.stdout
    assert "removed in" in done.stderr
    assert list(folder.iterdir()) == []
    assert not [one for one in psutil.process_iter(["cwd"]) if str(one.info["cwd"]).startswith(str(folder))]
