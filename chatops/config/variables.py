"""`${NAME}` and `${NAME:-default}` in plain values: from the environment, else from `.env` beside the file."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from chatops.config.report import Place, Report, shown
from chatops.config.source import read
from chatops.errors import ConfigError, Problem

_REFERENCE = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>[^{}]*))?\}|(?P<broken>\$\{)")

Note = Callable[[str, str], None]
"""Takes the message and the hint of a problem."""


class Variables:
    """The operator's variables; `.env` is read when the environment lacks one, and its faults join `problems`."""

    def __init__(self, folder: Path, problems: list[Problem]) -> None:
        self.file = folder / ".env"
        self.used = False
        self._problems = problems

    def get(self, name: str) -> str | None:
        """The value of a variable, or None."""
        self.used = True
        return os.environ[name] if name in os.environ else self._from_file.get(name)

    @cached_property
    def _from_file(self) -> Mapping[str, str]:
        report = Report(shown(self.file))
        try:
            return dotenv(self.file, report) if self.file.is_file() else {}
        except ConfigError as error:
            self._problems += error.problems or (Problem(report.file, 1, 1, "", error.message),)
            return {}


def dotenv(file: Path, report: Report) -> dict[str, str]:
    """The variables of an `.env` file, none replaced inside another. Raises ConfigError with every line that is none."""
    from dotenv.parser import parse_stream  # 6 ms, and most folders have no .env

    bindings = list(parse_stream(io.StringIO(read(file, report))))
    for binding in bindings:
        if binding.error:
            report.add(Place(binding.original.line, 1), "", "not a line of the form `NAME=value`")
    report.settle()
    return {binding.key: binding.value for binding in bindings if binding.key is not None and binding.value is not None}


def interpolate(text: str, variables: Variables, note: Note) -> str:
    """`text` with its references replaced; what can't be is left empty and noted."""

    def value(match: re.Match[str]) -> str:
        if match["broken"]:
            note("`${` begins no reference", "write `${NAME}` or `${NAME:-default}`, or `$${` for the characters themselves")
            return ""
        return "$" if match["name"] is None else _value(match["name"], match["default"], variables, note)

    return _REFERENCE.sub(value, text)


def _value(name: str, default: str | None, variables: Variables, note: Note) -> str:
    found = variables.get(name)
    if default is not None:
        return found or default
    if found is None:
        note(f"`{name}` is not set", f"set it in the environment or in `.env` beside the file, or write `${{{name}:-default}}`")
    return found or ""
