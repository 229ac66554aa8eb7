"""The values everything else speaks in: App, Release, State, Goal, Step, Plan. No door, no asyncio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

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
    authority: Path | None = None
    releases: tuple[KeptRelease, ...] = ()
    workers: tuple[Worker, ...] = ()
    lock: Lock | None = None
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


@frozen
class Deploy:
    """Make `release` serve, with this environment."""

    release: Release
    env: Environment = field(default_factory=dict)
    skip_unreachable: bool = False
    """Whether hosts that don't answer are left out."""


@frozen
class Rollback:
    """Make a kept release serve again; `to` None: leave nothing of ours serving. `bad` is marked as such."""

    to: str | None
    bad: str | None = None


@frozen
class Scale:
    """Run this many workers (per app host)."""

    workers: int


@frozen
class Restart:
    """Replace every worker by a fresh one of the same release."""


@frozen
class Remove:
    """Take the app away; with `purge` also what we installed for it."""

    purge: bool = False


Goal = Deploy | Rollback | Scale | Restart | Remove

# ---------------------------------------------------------------- what will be done

Reason = Literal["create", "change", "remove", "skip"]


@frozen(kw_only=True)
class Step:
    """One thing that will be done. `detail` is redacted; `limit` in seconds. Targets extend it with how.

    A step that `proves` is a gate: where it fails, the release is unhealthy (exit code 5, not 4).
    """

    name: str
    title: str
    reason: Reason = "change"
    detail: str = ""
    limit: float = 120.0
    proves: bool = False


@frozen(kw_only=True)
class Gate:
    """What must hold after a phase: `answers` good answers in a row at `url`, from `release` where it says one.

    `authority` (PEM) is believed beside the usual ones when `url` says https.
    """

    url: str
    release: str | None = None
    answers: int = 3
    seconds: float = 30.0
    authority: Path | None = None


@frozen
class Phase:
    """Steps that are carried out together, and the gate that follows them."""

    name: str
    steps: tuple[Step, ...]
    gate: Gate | None = None


@frozen
class Plan:
    """A goal and the phases that reach it; `notices` are what the operator should know before.

    `apart`: what was stored before is not there afterwards.
    """

    goal: Goal
    phases: tuple[Phase, ...] = ()
    release: str | None = None
    notices: tuple[str, ...] = ()
    apart: bool = False

    def steps(self) -> Iterator[Step]:
        """Every step, in order."""
        return (step for phase in self.phases for step in phase.steps)

    @property
    def changes(self) -> bool:
        """Whether anything would be done."""
        return any(step.reason != "skip" for step in self.steps())


@frozen
class Limits:
    """Every time limit of the tool, in seconds."""

    connect: float = 10.0
    answer: float = 5.0
    inspect: float = 30.0
    boot: float = 60.0
    drain: float = 20.0
    reattach: float = 120.0


LIMITS = Limits()
