"""Runs the command of a secret: no shell, bounded in time and size."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from chatops.config.report import quoted
from chatops.errors import ConfigError

LIMIT = 10.0
"""How long a command may take, in seconds."""


def output(arguments: Sequence[str], folder: Path, largest: int, limit: float = LIMIT) -> bytes:
    """Standard output of a command run in `folder`, one byte past `largest` at most. Raises ConfigError.

    Standard error goes to the operator, who may be asked to unlock something.
    """
    name = quoted(arguments[0])
    try:
        process = subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE)  # noqa: S603  approved by the operator
    except (OSError, ValueError) as error:
        raise ConfigError(f"can't run {name}: {error.strerror if isinstance(error, OSError) else error}") from error
    with process:
        try:
            return _output(process, largest, time.monotonic() + limit, name)
        except TimeoutError as error:
            raise ConfigError(f"{name} took more than {limit:g} s") from error
        finally:
            process.kill()


def _output(process: subprocess.Popen[bytes], largest: int, deadline: float, name: str) -> bytes:
    assert process.stdout  # noqa: S101  it is a pipe
    content = _read(process.stdout, largest, deadline)
    if len(content) > largest:
        return content
    try:
        code = process.wait(_left(deadline))
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    if code:
        raise ConfigError(f"{name} ended with {code}", "what it said stands above")
    return content


def _read(pipe: IO[bytes], largest: int, deadline: float) -> bytes:
    content = b""
    while len(content) <= largest:
        if not select.select([pipe], [], [], _left(deadline))[0]:
            raise TimeoutError
        chunk = os.read(pipe.fileno(), largest + 1 - len(content))
        if not chunk:
            break
        content += chunk
    return content


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
