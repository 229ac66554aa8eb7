"""A scratch project with a copy of the sample chat, and the real command run in it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHATOPS = [sys.executable, "-m", "chatops"]


class Project:
    """A folder with chatops.yaml and the chat as `app`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        shutil.copytree(ROOT / "sample_app", folder / "app", ignore=shutil.ignore_patterns("node_modules", "data"))
        text = "version: 1\napp:\n  name: chat\n  path: app\n  websocket: /ws\n"
        (folder / "chatops.yaml").write_text(f"{text}targets:\n  local: {{workers: 2, port: {self.port}}}\n")
        self._changes = 0

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}"

    def change(self) -> None:
        """Changes one file of the app."""
        self._changes += 1
        with (self.folder / "app/src/log.js").open("a") as file:
            file.write(f"// change {self._changes}\n")

    def run(self, *words: str) -> str:
        """`chatops WORDS`; gives what it said. Raises CalledProcessError when it failed."""
        done = subprocess.run([*CHATOPS, *words], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr


@contextmanager
def project() -> Iterator[Project]:
    """A deployed project for the block; removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="chatops-bench-") as name:
        made = Project(Path(name))
        made.run("deploy")
        try:
            yield made
        finally:
            made.run("remove", "--yes", "--purge")
