"""A project folder in which the real `chatops` command is run, whatever its target is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

WATCHFUL = Path(__file__).parent / "watchful"
"""Ends a command in which a thread imports something."""


class Project:
    """A folder with chatops.yaml. `limit`: how long a command may take, in seconds; `wrapper`: words before the command."""

    limit = 120.0
    wrapper: tuple[str, ...] = ()

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.env = {**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(WATCHFUL), **env}

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """`chatops WORDS` in the background."""
        command = [*self.wrapper, sys.executable, "-m", "chatops", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.folder, env=self.env, text=True, **{**pipes, **more})

    def chatops(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """`chatops WORDS` to its end; it must end with `code`, unless that is None."""
        process = self.start(*words)
        try:
            out, err = process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        ended = f"chatops {' '.join(words)}: exit {process.returncode}"
        assert code in {None, process.returncode}, f"{ended}\n{out}\n{err}\n{self.notes()}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def json(self, *words: str) -> Any:
        """The one object that a command answers with `--json`."""
        return json.loads(self.chatops(*words, "--json").stdout)

    def events(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """The events that a command streams with `--json`."""
        return [json.loads(line) for line in self.chatops(*words, "--json", code=code).stdout.splitlines()]

    def notes(self) -> str:
        """What helps to understand a failure."""
        return ""
