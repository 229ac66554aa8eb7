"""Words of POSIX shell: the one place where values become command text."""

from __future__ import annotations

import re
import shlex

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def words(*arguments: object) -> str:
    """One command line of quoted words. Raises ValueError on NUL, which no argument can carry."""
    texts = [str(argument) for argument in arguments]
    if any("\0" in text for text in texts):
        raise ValueError("a shell word can't hold NUL")
    return " ".join(shlex.quote(text) for text in texts)


def assign(name: str, value: object) -> str:
    """`NAME=value`, quoted. Raises ValueError when `name` is no shell name."""
    if not _NAME.match(name):
        raise ValueError(f"`{name}` is no shell variable name")
    return f"{name}={words(value)}"


def write(path: object, text: str) -> str:
    """Commands that put `text` into a file by rename. Raises ValueError on NUL."""
    return f"printf '%s\\n' {words(text)} >{words(f'{path}.new')}\n{words('mv', '-f', '--', f'{path}.new', path)}"
