"""Collects the problems of one file, so that all of them can be said in one go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from chatops.errors import ConfigError, Problem
from chatops.frozen import frozen
from chatops.sanitize import sanitize

Where = tuple[str | int, ...]
"""The way from the top of the file to a value: keys and list positions."""

_LONGEST = 60


@frozen
class Place:
    """A position in the file; line and column count from 1."""

    line: int
    column: int


START = Place(1, 1)


@dataclass(slots=True)
class Report:
    """The problems found so far in `file` (its name as it is shown)."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, place: Place, where: Where | str, message: str, hint: str = "") -> None:
        """Notes one problem; all text may be foreign."""
        path = where if isinstance(where, str) else dotted(where)
        texts = (safe(text) for text in (path, message, hint))
        self.problems.append(Problem(self.file, place.line, place.column, *texts))

    def settle(self) -> None:
        """Raises ConfigError with every problem noted so far, in the order of the file."""
        if self.problems:
            raise self.error()

    def error(self) -> ConfigError:
        """The problems as what is raised: without repeats, sorted by position."""
        unique = sorted(dict.fromkeys(self.problems), key=lambda problem: (problem.file, problem.line, problem.column))
        count = f"{len(unique)} problem{'s' if len(unique) != 1 else ''}"
        return ConfigError(f"{count} in {self.file}", problems=tuple(unique))


def safe(text: str) -> str:
    """Foreign text that any terminal and any UTF-8 stream can take."""
    return sanitize(text).encode("utf-8", "backslashreplace").decode()


def dotted(where: Where) -> str:
    """`targets.vps.hosts.0.address`, each part cut to a readable length."""
    return ".".join(_short(str(part)) for part in where)


def quoted(text: str) -> str:
    """A foreign word in backticks, safe for a terminal and of bounded length."""
    return f"`{safe(_short(text))}`"


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the nearest known word, or `otherwise`."""
    import difflib  # 5 ms, and only who is wrong needs it

    near = difflib.get_close_matches(word[:_LONGEST], list(known), n=1)
    return f"did you mean `{near[0]}`?" if near else otherwise


def shown(file: Path) -> str:
    """A file's name as people want to see it: relative where it is below the current folder."""
    try:
        return safe(str(file.relative_to(Path.cwd())))
    except (ValueError, FileNotFoundError):
        return safe(str(file))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
