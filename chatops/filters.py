"""Which log lines somebody wants to see, and which of them end the watching: values shared by tail, JSON and monitor."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from chatops.errors import ConfigError
from chatops.events import Level, LogLine
from chatops.frozen import frozen
from chatops.loglines import shown

RANKS: dict[str, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}
LEVELS: dict[str, Level] = {
    **{"d": "debug", "debug": "debug", "trace": "debug", "i": "info", "info": "info"},
    **{"w": "warning", "warn": "warning", "warning": "warning", "e": "error", "error": "error", "err": "error"},
}
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_CAPITAL = re.compile(r"(?<!\\)[A-Z]")
_DURATION = re.compile(rf"(?:{_PIECE.pattern})+")


@frozen(kw_only=True)
class Filter:
    """What to show; an empty one shows all. Times are epoch seconds; `grep` and `exclude` look at the line as it is shown."""

    since: float | None = None
    until: float | None = None
    workers: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    level: Level = "debug"
    grep: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()

    def selects(self, line: LogLine) -> bool:
        """Whether `line` comes from the time, workers and hosts that are asked for."""
        if self.since is not None and line.time < self.since:
            return False
        if self.until is not None and line.time > self.until:
            return False
        if self.workers and not _named(line.worker, self.workers):
            return False
        return not self.hosts or line.host in self.hosts

    def shows(self, line: LogLine) -> bool:
        """Whether what `line` says is asked for: its level, every `grep`, no `exclude`."""
        if RANKS[line.level] < RANKS[self.level]:
            return False
        if not (self.grep or self.exclude):
            return True
        text = shown(line)
        return all(wanted.search(text) for wanted in self.grep) and not any(hidden.search(text) for hidden in self.exclude)

    def passes(self, line: LogLine) -> bool:
        """Whether `line` is to be shown."""
        return self.selects(line) and self.shows(line)


@frozen(kw_only=True)
class Ending:
    """Lines that end the watching; looked for in every line selected, shown or not. `fail_on` goes first."""

    until_match: re.Pattern[str] | None = None
    fail_on: re.Pattern[str] | None = None

    def of(self, line: LogLine) -> Literal["", "matched", "failed"]:
        """How `line` ends the watching; empty when it goes on."""
        if self.fail_on is None and self.until_match is None:
            return ""
        text = shown(line)
        if self.fail_on and self.fail_on.search(text):
            return "failed"
        return "matched" if self.until_match and self.until_match.search(text) else ""


def _named(name: str, wanted: frozenset[str]) -> bool:
    """A name is wanted whole or by its end after `-` or `.` (`1` finds `chat-ID-1` and `web.1`)."""
    return name in wanted or any(name.endswith((f"-{end}", f".{end}")) for end in wanted)


def level(text: str) -> Level:
    """The least level to show, by name or letter. Raises ConfigError."""
    found = LEVELS.get(text.lower())
    if found is None:
        raise ConfigError(f"`{text}` is no level", f"levels: {', '.join(RANKS)}")
    return found


def pattern(text: str | None) -> re.Pattern[str] | None:
    """A regular expression; ignores case when `text` is all lower case. Raises ConfigError."""
    return None if text is None else _compiled(text)


def patterns(texts: Iterable[str] | None) -> tuple[re.Pattern[str], ...]:
    """Several regular expressions."""
    return tuple(map(_compiled, texts or ()))


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, 0 if _CAPITAL.search(text) else re.IGNORECASE)
    except re.error as error:
        raise ConfigError(f"`{text}` is no regular expression: {error}", "escape ( [ { * + ? with a backslash") from None


def moment(text: str) -> float:
    """Epoch seconds of `10m`, `1h30m`, `2d` before now, or of an RFC 3339 time (no zone: local). Raises ConfigError."""
    if _DURATION.fullmatch(text):
        return time.time() - sum(float(number) * UNITS[unit] for number, unit in _PIECE.findall(text))
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"`{text}` is no time", "write 90s, 10m, 2h, 1d or 2026-05-01T12:00:00Z") from None
