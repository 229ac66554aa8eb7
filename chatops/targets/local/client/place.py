"""The folder that holds everything of a local target, and a plain, short name for it.

A socket's path has 107 bytes at most, and PM2 gives a script whose path holds a blank to a shell.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from chatops.errors import TargetError

LONGEST = 60
"""What a root may have in bytes, so that `run/RELEASE.NN/NN.sock` and PM2's own sockets still fit."""
_PLAIN = re.compile(r"[A-Za-z0-9_./+@-]+")


def short(root: Path) -> Path:
    """`root` itself, or where that is too long or not plain, a link to it that only this user can have made."""
    if len(os.fsencode(root)) <= LONGEST and _PLAIN.fullmatch(str(root)):
        return root
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    link = Path(tempfile.gettempdir()) / f"chatops-{os.getuid()}-{name}"
    with suppress(FileExistsError):
        link.symlink_to(root)
    facts = link.lstat()
    if not stat.S_ISLNK(facts.st_mode) or facts.st_uid != os.getuid() or link.readlink() != root:
        raise TargetError(f"`{link}` is not ours", "remove it, or move the project to a shorter path")
    return link


def make(root: Path) -> None:
    """The folder and what must be private in it; `.gitignore` keeps it out of the app's repository."""
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)
    ignore = root.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    for name in ("state", "run", "scripts", "pm2", "logs"):
        (root / name).mkdir(exist_ok=True, mode=0o700)


def forget(root: Path, *, keep_shared: bool) -> None:
    """Takes away what a removal leaves: the lock, the journal, and the folder when nothing is kept in it."""
    shutil.rmtree(root / "state", ignore_errors=True)
    if not keep_shared:
        shutil.rmtree(root, ignore_errors=True)
    for folder in (root, root.parent):
        with suppress(OSError):
            if folder == root.parent and [path.name for path in folder.iterdir()] == [".gitignore"]:
                (folder / ".gitignore").unlink()
            folder.rmdir()
    with suppress(OSError):
        if (link := short(root)) != root:
            link.unlink()
