"""An app's folder becomes a Release: a deterministic tar that honours .gitignore, with an id that follows from its content."""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from chatops.errors import ConfigError
from chatops.model import Release
from chatops.whoami import who

ALWAYS_LEFT_OUT = {".git", "node_modules", ".chatops", ".chatops-demo", ".DS_Store", ".env"}
"""Never part of a release; `.env` holds secrets of the operator."""
_PROCESS = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$")


def pack(folder: Path) -> Release:
    """Packs `folder` into an archive that lasts as long as this process.

    Raises ConfigError when the folder is missing, says nowhere how to start, or links out of itself.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"the app's folder `{folder}` does not exist", "set `app.path`, or leave it out for the bundled sample"
        )
    command, lock = _command(folder), _lock(folder)
    archive = _archive(folder)
    digest = hashlib.sha256(archive).hexdigest()
    with tempfile.NamedTemporaryFile(prefix="chatops-", suffix=".tar", delete=False) as file:
        file.write(archive)
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return Release(digest[:10], digest, Path(file.name), command, time.time(), who(), _git(folder), lock)


def processes(folder: Path) -> dict[str, str]:
    """The Procfile as {type: command}; empty when there is none. Raises ConfigError for a line that is neither."""
    path = folder / "Procfile"
    if not path.exists():
        return {}
    lines = [line.strip() for line in path.read_text("utf-8-sig", "replace").splitlines()]
    matches = {line: _PROCESS.match(line) for line in lines if line and not line.startswith("#")}
    if wrong := [line for line, match in matches.items() if not match]:
        raise ConfigError(f"`{path}` has a line that is no `type: command`: {wrong[0]!r}")
    return {match[1]: match[2].strip() for match in matches.values() if match}


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name in the archive, path) of every file and link that belongs to the release, sorted by name."""
    yield from sorted(_walk(folder, folder, []))


def _walk(root: Path, folder: Path, above: list[tuple[Path, GitIgnoreSpec]]) -> Iterator[tuple[str, Path]]:
    specs = [*above, *((folder, spec) for spec in _ignored(folder))]
    for entry in folder.iterdir():
        if entry.name in ALWAYS_LEFT_OUT or _left_out(entry, specs):
            continue
        if entry.is_symlink() or entry.is_file():
            yield entry.relative_to(root).as_posix(), entry
        elif entry.is_dir():
            yield from _walk(root, entry, specs)


def _ignored(folder: Path) -> Iterator[GitIgnoreSpec]:
    for name in (".gitignore", ".slugignore"):
        if (path := folder / name).is_file():
            yield GitIgnoreSpec.from_lines(path.read_text("utf-8", "replace").splitlines())


def _left_out(entry: Path, specs: list[tuple[Path, GitIgnoreSpec]]) -> bool:
    """The last ignore file that says anything about an entry decides, as in git."""
    slash = "/" if entry.is_dir() and not entry.is_symlink() else ""
    verdict = False
    for folder, spec in specs:
        found = spec.check_file(entry.relative_to(folder).as_posix() + slash).include
        verdict = verdict if found is None else found
    return verdict


def _archive(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, path in files(folder):
            tar.addfile(*_member(folder, name, path))
    return buffer.getvalue()


def _member(folder: Path, name: str, path: Path) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    """Nothing of the packing machine gets in: owner, time and exact mode are always the same."""
    info = tarfile.TarInfo(name)
    if path.is_symlink():
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115  the text of the link, unresolved
        if not path.resolve().is_relative_to(folder.resolve()) or info.linkname.startswith("/"):
            raise ConfigError(f"`{name}` links out of the app's folder", "copy the file, or add it to .gitignore")
        return info, None
    content = path.read_bytes()
    info.size, info.mode = len(content), 0o755 if path.stat().st_mode & 0o100 else 0o644
    return info, io.BytesIO(content)


def _command(folder: Path) -> str:
    if web := processes(folder).get("web"):
        return web
    package = _package(folder)
    scripts = package.get("scripts")
    if isinstance(scripts, dict) and isinstance(start := scripts.get("start"), str):
        return start
    if isinstance(main := package.get("main"), str) and (folder / main).is_file():
        return f"node {main}"
    where = "a Procfile with a `web:` line, or a package.json with a `start` script"
    raise ConfigError(f"`{folder}` does not say how the app starts", f"add {where}")


def _lock(folder: Path) -> str | None:
    """What decides the installed dependencies; None where there are none. npm ci needs a lock file."""
    if not _package(folder).get("dependencies"):
        return None
    if not (folder / "package-lock.json").is_file():
        raise ConfigError(
            "package.json has dependencies but there is no package-lock.json", "run `npm install` once and commit it"
        )
    paths = (folder / name for name in ("package.json", "package-lock.json", ".npmrc"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths if path.is_file())).hexdigest()


def _package(folder: Path) -> dict[str, Any]:
    path = folder / "package.json"
    try:
        value = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise ConfigError(f"`{path}` is no JSON: {error}") from None
    return value if isinstance(value, dict) else {}


def _git(folder: Path) -> str | None:
    """The commit, with `+` where the tree differs from it; None outside a repository or without git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--exclude=*", "--abbrev=10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603  a fixed program
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
