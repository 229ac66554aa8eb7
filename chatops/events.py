"""Everything that can happen, as one closed union of frozen values, and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal

from chatops.frozen import frozen
from chatops.model import Worker

Level = Literal["debug", "info", "warning", "error"]


@frozen(kw_only=True)
class StepStarted:
    """A step began; `host` is empty where there is only one place."""

    time: float
    phase: str
    step: str
    title: str
    host: str = ""


@frozen(kw_only=True)
class StepOutput:
    """One sanitised, redacted line that a step printed."""

    time: float
    phase: str
    step: str
    line: str
    host: str = ""


@frozen(kw_only=True)
class StepFinished:
    """A step is done; `changed` False: there was nothing to do."""

    time: float
    phase: str
    step: str
    title: str
    changed: bool
    seconds: float
    host: str = ""


@frozen(kw_only=True)
class StepFailed:
    """A step failed; `message` says why in one fragment."""

    time: float
    phase: str
    step: str
    title: str
    message: str
    seconds: float
    host: str = ""


@frozen(kw_only=True)
class LogLine:
    """One line of the app or of what stands before it, already sanitised. `fields` of a JSON line."""

    time: float
    target: str
    message: str
    host: str = ""
    worker: str = ""
    source: str = "app"
    stream: Literal["out", "err"] = "out"
    level: Level = "info"
    fields: Mapping[str, Any] = field(default_factory=dict)


@frozen(kw_only=True)
class HealthSample:
    """One look at the public health address; `status` 0: no answer at all.

    `checks`: those of health+json, by name; `connections`: how many are open, where the app tells.
    """

    time: float
    target: str
    ok: bool
    status: int
    latency_ms: float
    release: str | None = None
    message: str = ""
    checks: Mapping[str, Any] = field(default_factory=dict)
    connections: float | None = None


@frozen(kw_only=True)
class WorkerSample:
    """All workers of a target at one moment."""

    time: float
    target: str
    workers: tuple[Worker, ...]


@frozen(kw_only=True)
class Notice:
    """Something worth saying: a gap in a stream, a drain that goes down, advice."""

    time: float
    message: str
    level: Level = "info"
    target: str = ""


@frozen
class Impact:
    """What users felt while the target changed, seen from outside."""

    requests: int = 0
    failed: int = 0
    messages: int = 0
    lost: int = 0
    doubled: int = 0
    longest_gap_ms: float = 0.0


@frozen(kw_only=True)
class Finished:
    """The last event of a plan. `exit_code` as in CONTRACT; `error` and `hint` are empty when it went well."""

    time: float
    ok: bool
    changed: bool
    seconds: float
    release: str | None = None
    impact: Impact | None = None
    exit_code: int = 0
    error: str = ""
    hint: str = ""


Event = StepStarted | StepOutput | StepFinished | StepFailed | LogLine | HealthSample | WorkerSample | Notice | Finished

TYPES: dict[type[Any], str] = {
    StepStarted: "step_started",
    StepOutput: "step_output",
    StepFinished: "step_finished",
    StepFailed: "step_failed",
    LogLine: "log",
    HealthSample: "health",
    WorkerSample: "workers",
    Notice: "notice",
    Finished: "finished",
}


def rfc3339(time: float) -> str:
    """Epoch seconds as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(event: Event) -> dict[str, Any]:
    """The event as CONTRACT's JSON object: `v`, `type`, `time`, then its own fields."""
    if isinstance(event, LogLine):
        return _log(event)
    body = plain(event)
    return {"v": 1, "type": TYPES[type(event)], "time": rfc3339(event.time), **{k: v for k, v in body.items() if k != "time"}}


def _log(line: LogLine) -> dict[str, Any]:
    """The only event that comes in floods; its fields are the app's and stay as they are."""
    return {
        "v": 1,
        "type": "log",
        "time": rfc3339(line.time),
        "target": line.target,
        "message": line.message,
        "host": line.host,
        "worker": line.worker,
        "source": line.source,
        "stream": line.stream,
        "level": line.level,
        "fields": dict(line.fields),
    }


def plain(value: Any) -> Any:
    """Dataclasses, tuples and mappings as what json can write."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return (
            round(value, 3) if isfinite(value) else str(value)
        )  # JSON has no infinity, but 1e999 in a health answer gives one
    return value
