"""The log files of a local target: every worker's two, and the front's."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from pathlib import Path

from chatops.events import LogLine
from chatops.logfiles import read
from chatops.loglines import Origin

_NAME = re.compile(r"(?P<worker>.+)\.(?P<stream>out|err)\.log\Z")


def lines(
    target: str, folder: Path, tail: int, follow: bool, since: float | None, redact: Callable[[str], str]
) -> AsyncGenerator[LogLine]:
    """The last `tail` lines of all files together, then live ones when `follow`."""
    return read(partial(_files, target, folder), tail, follow, since, redact)


def _files(target: str, folder: Path) -> Mapping[Path, Origin]:
    found = ((path, _NAME.match(path.name)) for path in sorted(folder.glob("*.log")))
    return {path: _origin(target, match["worker"], match["stream"]) for path, match in found if match}


def _origin(target: str, worker: str, stream: str) -> Origin:
    source = "front" if worker == "front" else "app"
    return Origin(target=target, worker=worker, source=source, stream="err" if stream == "err" else "out")
