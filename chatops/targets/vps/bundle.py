"""What of this installation travels to hosts: our Node scripts, and PM2's lock file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from chatops.pm2 import SCRIPTS
from chatops.targets.vps.facts import Member

LOCK = ("package.json", "package-lock.json")


def digest(*names: str) -> str:
    """Tells versions of the scripts apart (all, or the named ones), so that running workers keep theirs."""
    files = (SCRIPTS / name for name in names) if names else (path for path in sorted(SCRIPTS.iterdir()) if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:12]


def scripts(folder: PurePosixPath) -> Iterator[Member]:
    """The scripts as members of `folder`."""
    for path in sorted(SCRIPTS.iterdir()):
        if path.is_file():
            yield Member(folder / path.name, path.read_bytes())


def lock(folder: PurePosixPath) -> Iterator[Member]:
    """What decides every byte of PM2."""
    for name in LOCK:
        yield Member(folder / name, (SCRIPTS / name).read_bytes())
