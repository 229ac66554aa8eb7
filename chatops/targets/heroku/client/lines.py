"""Heroku's log lines as LogLines: app output, router lines, platform messages, runtime metrics. Pure.

Format: `TIME SOURCE[PROCESS]: MESSAGE` (Dev Center, "Logging"); router fields: "HTTP routing"; codes: "Heroku Error Codes".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chatops.events import Level, LogLine
from chatops.loglines import Origin, Parser
from chatops.sanitize import sanitize_line

_LINE = re.compile(r"(?:(\d{4}-\d\d-\d\dT\S+)\s+)?([\w.-]+)(?:\[([^\]]*)\])?: ?(.*)\Z", re.DOTALL)
_FIELD = re.compile(r'([\w#]+)=("(?:[^"\\]|\\.)*"|\S*)')
# The path may hold blanks and `=`: it is everything up to the field that follows it.
_PATH = re.compile(r' path=("?)(?P<path>.*?)\1 host=')
_CODE = re.compile(r"\bError ([RL]\d\d)\b")
_METRIC = re.compile(r"sample#(\w+)=([\d.]+)(MB|GB|kB|pages)?")
_UNITS = {"kB": 1024, "MB": 1024**2, "GB": 1024**3, None: 1, "pages": 1}
_BENIGN = frozenset({"H15", "H27", "H80", "H81", "H82", "R12"})
"""Normal in the life of a chat server: idle sockets, clients that leave, a restart."""
_WARNING = frozenset({"H16", "H17", "H28", "H31", "H32", "H83", "H99", "R13", "R16", "R17", "R99", "L11"})
_SHOWN = (
    "status",
    "code",
    "desc",
    "service_ms",
    "connection_ms",
    "connect_ms",
    "bytes",
    "host",
    "fwd",
    "request_id",
    "protocol",
)
_EXIT = re.compile(r"Process exited with status (\d+)")
_CALM_EXITS = frozenset({"0", "143"})
"""143 is SIGTERM: a dyno that was asked to stop."""


class Reader:
    """Makes LogLines of one app's raw lines; remembers a parser a process."""

    def __init__(self, target: str, redact: Callable[[str], str]) -> None:
        self._target = target
        self._redact = redact
        self._parsers: dict[str, Parser] = {}

    def __call__(self, raw: bytes) -> LogLine | None:
        """None for an empty line."""
        text = sanitize_line(raw.strip(b"\0\n"))
        if not text:
            return None
        text = self._redact(text)
        found = _LINE.match(text)
        if found is None:
            return LogLine(time=time.time(), target=self._target, host="heroku", message=text)
        stamp, source, process, message = found.groups()
        moment = epoch(stamp) if stamp else time.time()
        return self._read(moment, source, process or source, message)

    def _read(self, moment: float, source: str, process: str, message: str) -> LogLine:
        if source == "app" and process != "api":
            return self._app(moment, process, message)
        if process == "router":
            return self._router(moment, message)
        return self._platform(moment, source, process, message)

    def _app(self, moment: float, process: str, message: str) -> LogLine:
        parser = self._parsers.get(process)
        if parser is None:
            parser = self._parsers[process] = Parser(Origin(target=self._target, host="heroku", worker=process))
        line = parser(message, moment)
        return line if line.time == moment else _at(line, moment)

    def _router(self, moment: float, message: str) -> LogLine:
        """The request is the message; the rest is in the fields."""
        fields = router_fields(message)
        level = _router_level(str(fields.get("code", "")), fields.get("status"))
        worker, request = str(fields.pop("dyno", "")), f"{fields.pop('method', '-')} {fields.pop('path', '-')}"
        return self._line(moment, "router", worker, level, request, {name: fields[name] for name in _SHOWN if name in fields})

    def _platform(self, moment: float, source: str, process: str, message: str) -> LogLine:
        if metrics := metric_fields(message):
            worker = metrics.pop("source", process)
            return self._line(moment, "metrics", worker, "debug", "runtime metrics", metrics)
        name = "api" if process == "api" else source
        return self._line(moment, name, "" if process == "api" else process, _platform_level(message), message, {})

    def _line(self, moment: float, source: str, worker: str, level: Level, message: str, fields: Mapping[str, Any]) -> LogLine:
        return LogLine(
            time=moment,
            target=self._target,
            host="heroku",
            worker=worker,
            source=source,
            level=level,
            message=message,
            fields=fields,
        )


def epoch(stamp: str) -> float:
    """The time of a line in epoch seconds; now, where it is none."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError):
        return time.time()


def router_fields(message: str) -> dict[str, Any]:
    """The fields of a router line; numbers as numbers, and `connect_ms` and `service_ms` in milliseconds.

    A WebSocket is one line at its end, status 101, whose service time is the whole connection: `connection_ms` says so instead.
    """
    path = _PATH.search(message)
    rest = message[: path.start()] + message[path.end("path") :] if path else message
    fields: dict[str, Any] = {name: value.strip('"') for name, value in _FIELD.findall(rest) if value}
    if path:
        fields["path"] = path["path"]
    for name, known in (("connect", "connect_ms"), ("service", "service_ms"), ("status", "status"), ("bytes", "bytes")):
        number = str(fields.pop(name, "")).removesuffix("ms")
        if number.isdigit():
            fields[known] = int(number)
    if fields.get("status") == 101 and "service_ms" in fields:
        fields["connection_ms"] = fields.pop("service_ms")
    return fields


def metric_fields(message: str) -> dict[str, Any]:
    """`source`, and load averages or bytes by name, of a runtime-metrics line; empty for any other line."""
    if "sample#" not in message:
        return {}
    samples = {name: _number(value, unit or None) for name, value, unit in _METRIC.findall(message)}
    source = re.search(r"\bsource=(\S+)", message)
    return {"source": source[1], **samples} if source and samples else samples


def _number(value: str, unit: str | None) -> float | int:
    try:
        number = float(value)
    except ValueError:
        return 0
    return number if unit is None else int(number * _UNITS[unit])


def _router_level(code: str, status: Any) -> Level:
    if code in _BENIGN:
        return "info"
    if code in _WARNING:
        return "warning"
    if code or (isinstance(status, int) and status >= 500):
        return "error"
    return "warning" if isinstance(status, int) and status >= 400 else "info"


def _platform_level(message: str) -> Level:
    if found := _CODE.search(message):
        code = found[1]
        return "info" if code in _BENIGN else "warning" if code in _WARNING else "error"
    if (ended := _EXIT.search(message)) and ended[1] not in _CALM_EXITS:
        return "error"
    return "error" if message.startswith("State changed from") and message.endswith("to crashed") else "info"


def _at(line: LogLine, moment: float) -> LogLine:
    """The platform's time orders lines of all dynos; the app's own stays in the fields of what it wrote."""
    return replace(line, time=moment)
