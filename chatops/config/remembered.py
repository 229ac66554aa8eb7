"""What a file meant when it was read last, in the user's cache: known by its content, and by the code that read it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import sys
from pathlib import Path
from typing import Any

from chatops import __version__
from chatops.cachefolder import cache
from chatops.private import write_private

_CODE = Path(__file__).parents[1]
_SLOTS = 64
"""How many files are remembered at most; two that share a slot push each other out."""


def recall(file: Path, content: bytes) -> Any:
    """What `remember` was told of this content, or None."""
    try:
        with _slot(file).open("rb") as stream:
            if _private(stream.fileno()) and stream.read(hashlib.sha256().digest_size) == _key(file, content):
                return pickle.load(stream)  # noqa: S301  nobody else could write it
    except OSError:
        return None
    return None


def remember(file: Path, content: bytes, meaning: Any) -> None:
    """Keeps what a content means; where that can't be done, the file is read again next time."""
    with contextlib.suppress(OSError):
        write_private(_slot(file), _key(file, content) + pickle.dumps(meaning))


def _slot(file: Path) -> Path:
    number = hashlib.sha256(os.fsencode(file)).digest()[0] % _SLOTS
    return cache() / "files" / f"{number:02}"


def _key(file: Path, content: bytes) -> bytes:
    """Of the file, and of the code that says what may stand in it: an older or newer one may mean something else."""
    code = [*_CODE.glob("config/*.py"), *_CODE.glob("targets/*/config.py"), _CODE / "wants.py", _CODE / "frozen.py"]
    looks = sorted((str(part), found.st_size, found.st_mtime_ns) for part in code for found in [part.stat()])
    reader = repr((sys.hexversion, __version__, looks)).encode()
    return hashlib.sha256(b"\0".join([os.fsencode(file), reader, content])).digest()


def _private(descriptor: int) -> bool:
    """What others could have written is not trusted."""
    found = os.fstat(descriptor)
    return found.st_uid == os.getuid() and not found.st_mode & 0o022
