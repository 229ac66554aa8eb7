"""Where things are kept that can be had again: PM2, archives of Node, what a file means."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache() -> Path:
    """The folder; it may not be there. The same as platformdirs', whose import (4 ms) every command would wait for."""
    if named := os.environ.get("CHATOPS_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "chatops"
    given = os.environ.get("XDG_CACHE_HOME", "")  # the XDG Base Directory Specification: a path that is not absolute is ignored
    return Path(given if given.startswith("/") else Path.home() / ".cache") / "chatops"
