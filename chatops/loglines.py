"""A raw line of a log becomes a LogLine: JSON of pino, bunyan and others, nginx access lines, plain text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from chatops.events import Level, LogLine
from chatops.frozen import frozen
from chatops.sanitize import sanitize

LATEST = 4_102_444_800.0
"""Times after 2100 are no times: the app means something else by the field."""
DEEPEST = 8
"""How deep the fields of a JSON line are kept."""
CONTINUES = 1.0
"""A line without a time that comes within so many seconds belongs to the line before it (a stack trace does)."""

_MESSAGE = ("msg", "message")
_TIME = ("time", "timestamp", "ts", "@timestamp")
_LEVEL = ("level", "severity", "lvl")
_HIDDEN = frozenset({"pid", "hostname", "v", "service", "env", "release", "worker"})
_WORDS: dict[str, Level] = {
    **dict.fromkeys(("trace", "debug", "verbose"), "debug"),
    **dict.fromkeys(("info", "information", "notice"), "info"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("error", "err", "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic", "severe"), "error"),
}
_NAMES = "|".join(sorted(_WORDS, key=len, reverse=True))
# Words that begin a line, stand in brackets, are written in capitals or end in a colon: "0 errors" is no error.
_SEVERITY = re.compile(
    rf"^(?:\S+ )?[\[<(]?(?P<first>{_NAMES})\b[\])>:]"
    rf"|[\[<(](?P<bracket>{_NAMES})[\])>]"
    rf"|\b(?-i:(?P<capital>{_NAMES.upper()}))\b"
    r"|\b(?P<kind>error|warning|exception)\b:|(?-i:(?P<class>[A-Z]\w*(?:Error|Exception|Warning)\b))|^(?P<trace>Traceback) ",
    re.IGNORECASE,
)
_STEMS = (
    "err",
    "warn",
    "info",
    "fatal",
    "exception",
    "debug",
    "crit",
    "panic",
    "trace",
    "notice",
    "alert",
    "severe",
    "emerg",
    "verb",
)
_STAMP = re.compile(r"\[?(\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?: ?(Z|[+-]\d\d:?\d\d))?\]?:? ?")
_ACCESS = re.compile(
    r'(?P<remote>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>\S+)[^"]*" (?P<status>[1-5]\d\d) (?:\d+|-)'
)


@frozen(kw_only=True)
class Origin:
    """Where lines come from; becomes part of every LogLine."""

    target: str
    host: str = ""
    worker: str = ""
    source: str = "app"
    stream: Literal["out", "err"] = "out"


class Parser:
    """Makes LogLines of one origin's lines (sanitised text, in their order)."""

    def __init__(self, origin: Origin, redact: Callable[[str], str] | None = None) -> None:
        self._origin = origin
        self._redact = redact
        self._plain: Level = "error" if origin.stream == "err" else "info"
        self._last = 0.0
        self._arrived = -math.inf

    def __call__(self, text: str, arrived: float, live: bool = True) -> LogLine:
        """`arrived` (epoch seconds) is the time of a line that has none of its own.

        Not `live`: the line was read from what was there before; one without a time takes that of the line before it.
        """
        if self._redact is not None:
            text = self._redact(text)
        moment, level, message, fields = self._parts(text)
        if moment is not None:
            self._last, self._arrived = moment, arrived
        else:
            moment = self._last if not live or arrived - self._arrived < CONTINUES else arrived
        at = self._origin
        return LogLine(
            time=moment, target=at.target, message=message, host=at.host, worker=at.worker, source=at.source, stream=at.stream,
            level=level, fields=fields,
        )  # fmt: skip

    def begin(self, lines: list[str], otherwise: float) -> None:
        """`lines` are the first to come: those before the first with a time of its own take that one, else `otherwise`."""
        times = (moment for line in lines[:100] if (moment := self.moment_of(line)) is not None)
        self._last = next(times, otherwise)

    def moment_of(self, text: str) -> float | None:
        """The time that a line says of itself, in epoch seconds."""
        return self._parts(text)[0]

    def _parts(self, text: str) -> tuple[float | None, Level, str, dict[str, Any]]:
        if text.startswith("{") and (fields := _object(text)) is not None:
            return self._structured(text, fields)
        if '] "' in text and (found := _ACCESS.match(text)):
            return _access(text, found)
        moment, text = _stamped(text)
        return moment, level_of(text, self._plain), text, {}

    def _structured(self, text: str, fields: dict[str, Any]) -> tuple[float | None, Level, str, dict[str, Any]]:
        if "\\" in text or text.count("{") + text.count("[") > 1:
            fields = _clean(fields, 0)
        moment = _take(fields, _TIME, _moment)
        level = _take(fields, _LEVEL, _level)
        message = _take(fields, _MESSAGE, _text)
        return moment, level or self._plain, message or "", fields


def shown(line: LogLine) -> str:
    """The line as people read it and filters see it: the message, then the fields that say something new."""
    if not line.fields:
        return line.message
    words = [line.message] if line.message else []
    words += [f"{key}={_word(value)}" for key, value in line.fields.items() if key not in _HIDDEN]
    return " ".join(words)


def level_of(text: str, otherwise: Level = "info") -> Level:
    """The level that the words of a plain line tell."""
    head = text[:400]
    folded = head.lower()
    if not any(stem in folded for stem in _STEMS) or (found := _SEVERITY.search(head)) is None:
        return otherwise
    word = found.group(found.lastgroup or 0).lower()
    return _WORDS.get(word) or ("warning" if word.endswith("warning") else "error")


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _word(value: Any) -> str:
    if isinstance(value, str) and value and " " not in value and '"' not in value:
        return value
    return str(value) if type(value) is int else _COMPACT.encode(value)


# ---------------------------------------------------------------- JSON


def _number(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=str, strict=False)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return None if text[end:].strip() else value


def _clean(value: Any, depth: int) -> Any:
    """JSON escapes can hide control characters and great depth: the one made visible, the other cut."""
    if isinstance(value, str):
        return sanitize(value)
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {sanitize(key): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    return value


def _take(fields: dict[str, Any], names: tuple[str, ...], read: Callable[[Any], Any]) -> Any:
    """Takes the first of `names` that can be read out of `fields`."""
    for name in names:
        if name in fields and (value := read(fields[name])) is not None:
            del fields[name]
            return value
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _level(value: Any) -> Level | None:
    """Pino's and bunyan's numbers (10 trace … 60 fatal), or a word."""
    if isinstance(value, str):
        return _WORDS.get(value.lower())
    if not isinstance(value, int | float) or not 10 <= value <= 100:
        return None
    return "debug" if value < 30 else "info" if value < 40 else "warning" if value < 50 else "error"


def _moment(value: Any) -> float | None:
    """Epoch seconds of a time in seconds, milli-, micro- or nanoseconds, or in ISO 8601 (RFC 3339)."""
    if isinstance(value, str):
        return _iso(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    while value > LATEST:
        value /= 1000
    return float(value)


def _iso(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return moment if 0 < moment < LATEST else None


# ---------------------------------------------------------------- text


def _stamped(text: str) -> tuple[float | None, str]:
    """A line that begins with its time (ISO 8601, or as nginx writes its errors): the time, and the rest."""
    found = _STAMP.match(text)
    if found is None:
        return None, text
    moment = _iso(found[1].replace("/", "-").replace(",", ".") + (found[2] or ""))
    return (None, text) if moment is None else (moment, text[found.end() :])


def _access(text: str, found: re.Match[str]) -> tuple[float | None, Level, str, dict[str, Any]]:
    """nginx's combined log format (http://nginx.org/en/docs/http/ngx_http_log_module.html)."""
    status = int(found["status"])
    level: Level = "error" if status >= 500 else "warning" if status >= 400 else "info"
    try:
        moment: float | None = datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z").timestamp()
    except ValueError:
        moment = None
    return moment, level, text, {"method": found["method"], "path": found["path"], "status": status, "remote": found["remote"]}
