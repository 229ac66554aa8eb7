"""The values everything else speaks in: App, Release, Worker, State. No door, no asyncio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from chatops.frozen import frozen
from chatops.redact import Secret


@frozen
class Generate:
    """A secret of `length` random bytes that is made on the target once and never leaves it."""

    length: int


@frozen
class FromEnv:
    """A secret in an environment variable of the operator."""

    name: str


@frozen
class FromFile:
    """A secret in a file that only its owner may read (0600)."""

    path: Path


@frozen
class FromCommand:
    """A secret on the standard output of a command (an argument list; no shell)."""

    arguments: tuple[str, ...]


SecretReference = Generate | FromEnv | FromFile | FromCommand
Environment = Mapping[str, str | Secret | Generate]
"""What the app's workers get: plain values, secrets, and secrets that the target makes itself."""


@frozen
class App:
    """The app as the file describes it; `path` is absolute."""

    name: str
    path: Path
    health: str = "/health"
    websocket: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretReference] = field(default_factory=dict)


@frozen
class Release:
    """One packed version of the app. `archive` is a deterministic tar; `digest` its SHA-256 in hex; `id` follows from it.

    `command` starts a worker (the Procfile's `web`). `lock` is the SHA-256 of what decides the dependencies, None without any.
    """

    id: str
    digest: str
    archive: Path
    command: str
    created: float
    by: str
    git: str | None = None
    lock: str | None = None


ReleaseState = Literal["current", "warm", "kept", "bad"]


@frozen
class KeptRelease:
    """A release that the target still has; `created` in epoch seconds."""

    id: str
    state: ReleaseState
    created: float | None = None
    by: str | None = None
    git: str | None = None


WorkerState = Literal["starting", "up", "stopping", "down", "crashed"]


@frozen
class Worker:
    """One process of the app. CPU in percent of one core, memory in bytes (RSS), uptime in seconds."""

    name: str
    host: str
    state: WorkerState
    pid: int | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    restarts: int | None = None
    uptime_seconds: float | None = None
    release: str | None = None


@frozen
class Lock:
    """Who is changing the target: a person, what they run, since when (epoch seconds)."""

    who: str
    what: str
    since: float


@frozen(kw_only=True)
class State:
    """What a target has now; `authority` (PEM) is who vouches for an https `url`, where it is nobody that all believe.

    Targets extend it with facts of their own.
    """

    target: str
    kind: str
    url: str | None = None
    unseen: str = ""
    """Why nothing can be learned from `url` here, whatever users find there; empty: it can be asked."""
    authority: Path | None = None
    releases: tuple[KeptRelease, ...] = ()
    workers: tuple[Worker, ...] = ()
    lock: Lock | None = None
    checks: Mapping[str, Any] = field(default_factory=dict)
    """The `checks` of what a worker that serves tells of itself in private (health+json), where that was asked for."""
    notices: tuple[str, ...] = ()
    """What keeps it from being whole, though it may serve: hosts out of reach, or with another release than most."""

    @property
    def release(self) -> KeptRelease | None:
        """The release that serves now."""
        return next((kept for kept in self.releases if kept.state == "current"), None)


def before(state: State) -> str | None:
    """The release that `rollback` without a name goes to: the newest good one that was deployed before the current."""
    since = (state.release.created if state.release else None) or float("inf")
    good = [kept for kept in state.releases if kept.state in {"warm", "kept"} and (kept.created or 0) < since]
    return max(good, key=lambda kept: kept.created or 0).id if good else None
