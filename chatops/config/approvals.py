"""Which commands of which files the operator lets run: asked once on a terminal, remembered by hash."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from chatops.config.report import quoted
from chatops.errors import ConfigError, Problem
from chatops.sanitize import sanitize
from chatops.shell import words

ALLOW = "CHATOPS_ALLOW_COMMANDS"


def approve(file: Path, arguments: Sequence[str], why: Problem) -> None:
    """Returns when the command may run. Raises ConfigError when it may not."""
    known, mark = _state_file(), _mark(file, arguments)
    if os.environ.get(ALLOW) == "1" or mark in _remembered(known):
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(f"{quoted(arguments[0])} has not been allowed yet", f"run this on a terminal once, or set {ALLOW}=1")
    if not _asked(arguments, why):
        raise ConfigError(f"{quoted(arguments[0])} was not allowed")
    _remember(known, mark)


def _mark(file: Path, arguments: Sequence[str]) -> str:
    """Another file or another argument is another command."""
    return hashlib.sha256(json.dumps([str(file), *arguments]).encode()).hexdigest()


def _asked(arguments: Sequence[str], why: Problem) -> bool:
    print(f"{why}: {sanitize(words(*arguments))}", file=sys.stderr)
    print("run it, now and from now on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _state_file() -> Path:
    import platformdirs  # 17 ms, and most files have no command

    return platformdirs.user_state_path("chatops") / "allowed-commands"


def _remembered(file: Path) -> set[str]:
    """What was allowed; nothing where anybody else could have written it."""
    try:
        status = file.stat()
        mine = status.st_uid == os.getuid() and not status.st_mode & 0o077
        return set(file.read_text("ascii").split()) if mine else set()
    except (OSError, ValueError):
        return set()


def _remember(file: Path, mark: str) -> None:
    """Written whole and moved into place, so that only lines we trusted before stay in it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    marks = sorted(_remembered(file) | {mark})
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="ascii") as fresh:
        fresh.write("".join(f"{mark}\n" for mark in marks))
    Path(fresh.name).replace(file)
