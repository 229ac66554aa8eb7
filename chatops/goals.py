"""What is wanted of a target, and the plan that reaches it: Goal, Step, Phase, Plan. Whoever only looks needs none of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Literal

from chatops.frozen import frozen
from chatops.model import Environment, KeptRelease, Release


@frozen
class Deploy:
    """Make `release` serve, with this environment."""

    release: Release
    env: Environment = field(default_factory=dict)
    skip_unreachable: bool = False
    """Whether hosts that don't answer are left out."""


def after(goal: Deploy, kept: Sequence[KeptRelease]) -> Deploy:
    """The goal with its release as the newest of all: a way back goes by that order, and people's clocks differ."""
    last = max((one.created or 0.0 for one in kept if one.id != goal.release.id), default=0.0)
    return replace(goal, release=replace(goal.release, created=max(goal.release.created, last + 1)))


@frozen
class Rollback:
    """Make a kept release serve again; `to` None: leave nothing of ours serving. `bad` is marked as such, and its workers end.

    `left` are marked, too, once that release serves, but one that served until then stays warm. `undo` is the release of a
    failed change that is taken back: a host that does not keep `to` goes back to what it served before it.
    """

    to: str | None
    bad: str | None = None
    left: tuple[str, ...] = ()
    undo: str | None = None


def back(releases: Sequence[KeptRelease], to: str) -> Rollback:
    """To release `to`. What was deployed after it, up to what serves now, is left behind: no rollback chooses it by itself."""
    created = {kept.id: kept.created or 0 for kept in releases}
    now = next((created[kept.id] for kept in releases if kept.state == "current"), 0)
    return Rollback(to, left=tuple(id for id, moment in created.items() if created.get(to, now) < moment <= now))


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
