"""Bounded child processes of the rig, and the one error it raises."""

import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path


class RigError(RuntimeError):
    """The rig could not do what a test asked for; the message holds what the program said."""


def run(
    *argv: str | Path,
    input: bytes = b"",
    seconds: float = 60,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run to the end with `input` on its standard input. Raises RigError on a failure (with `check`) and after `seconds`."""
    try:
        done = subprocess.run(argv, input=input, capture_output=True, timeout=seconds, check=False, env=env)
    except subprocess.TimeoutExpired as error:
        raise RigError(f"no end after {seconds} s: {_line(argv)}") from error
    if check and done.returncode != 0:
        said = (done.stderr + done.stdout).decode(errors="replace")[-4000:]
        raise RigError(f"exit code {done.returncode}: {_line(argv)}\n{said}")
    return done


def wait_until(what: str, holds: Callable[[], bool], seconds: float, every: float = 0.05) -> None:
    """Ask until `holds`. Raises RigError, which says `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RigError(f"waited {seconds} s in vain: {what}")
        time.sleep(every)


def _line(argv: tuple[str | Path, ...]) -> str:
    return shlex.join(map(str, argv))[:500]
