"""Where the rig keeps what it makes, and the locks that sessions running at the same time share."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def cache() -> Path:
    """The folder for what outlives a session: CHATOPS_RIG_CACHE, else `~/.cache/chatops-rig`."""
    named = os.environ.get("CHATOPS_RIG_CACHE")
    return _made(Path(named) if named else Path.home() / ".cache" / "chatops-rig")


def state() -> Path:
    """The folder for sockets, locks and logs."""
    return _made(cache() / "run")


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock `name` alone; waits for whoever has it."""
    with (state() / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def hold(name: str, shared: bool = False, wait: bool = False) -> IO[str] | None:
    """The lock `name` until the returned file is closed or this process ends, however it ends; None: another has it."""
    lock = (state() / f"{name}.lock").open("a")
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
