"""The kernel lock that whoever changes something here holds, and whom it names."""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path
from typing import BinaryIO

from chatops.model import Lock


def held(state: Path) -> Lock | None:
    """Who holds the lock now; None when nobody does."""
    try:
        with (state / "lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                value = json.loads(file.read() or b"{}")
                return Lock(value.get("who", "somebody"), value.get("what", "a change"), value.get("since", time.time()))
    except (OSError, ValueError):
        return None
    return None


def taken(file: BinaryIO) -> bool:
    """Takes the lock, where nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
