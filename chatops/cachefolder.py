"""Where things are kept that can be had again: PM2, archives of Node, what a file means."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """The folder; it may not be there."""
    if named := os.environ.get("CHATOPS_CACHE"):
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("chatops")
