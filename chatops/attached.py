"""A change that somebody else leads, as its journal tells it: phase after phase, and how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chatops import program
from chatops.errors import ChatopsError, Unhealthy, UnknownOutcome
from chatops.events import Event, StepFailed
from chatops.frozen import frozen
from chatops.goals import Phase, Plan, Scale


@frozen
class Head:
    """What a journal says of a phase where it begins."""

    phase: str
    goal: str
    left: tuple[str, ...]
    proofs: frozenset[str]
    titles: dict[str, str]

    @classmethod
    def read(cls, line: bytes) -> Head | None:
        """From the line of a journal that begins a phase; None for any other."""
        if not line.startswith(b'{"event":"phase"'):
            return None
        try:
            value = json.loads(line)
            titles = {str(name): str(title) for name, title in value["titles"].items()}
            return cls(str(value["phase"]), str(value["goal"]), tuple(value["left"]), frozenset(value["proofs"]), titles)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def line(self) -> bytes:
        """That line."""
        value = {"event": "phase", "phase": self.phase, "goal": self.goal, "left": self.left, "proofs": sorted(self.proofs)}
        return json.dumps({**value, "titles": self.titles}, separators=(",", ":")).encode() + b"\n"


def goal(plan: Plan) -> str:
    """Tells a plan from the way back out of it: `deploy 0a1b2c`, `scale 3`."""
    to = plan.goal.workers if isinstance(plan.goal, Scale) else plan.release
    return f"{type(plan.goal).__name__.lower()} {to or ''}".strip()


def head(plan: Plan, phase: Phase) -> Head:
    """What is said of a phase that one host alone carries out."""
    left = tuple(later.name for later in plan.phases[plan.phases.index(phase) + 1 :])
    proofs = frozenset(step.name for step in phase.steps if step.proves)
    return Head(phase.name, goal(plan), left, proofs, {step.name: step.title for step in phase.steps})


@dataclass(slots=True)
class Course:
    """The change as its journal tells it, phase after phase."""

    redact: Callable[[str], str]
    host: str
    heads: list[Head] = field(default_factory=list)
    journal: program.Journal | None = None
    error: ChatopsError | None = None

    @property
    def runs(self) -> bool:
        """Whether a phase has begun and not said yet how it ended."""
        return self.journal is not None and self.journal.code is None

    def begin(self, head: Head) -> None:
        """The phase before has ended; what went wrong first counts."""
        self._judge()
        self.heads.append(head)
        self.journal = program.Journal(head.phase, head.titles, self.redact, time.time, self.host)

    def event(self, line: bytes) -> Event | None:
        """The event of a line."""
        event = self.journal.event(line) if self.journal else None
        if isinstance(event, StepFailed):
            self.error = self.error or program.failure(event, self.heads[-1].proofs)
        return event

    def end(self) -> None:
        """Raises what the change ended with, where that is not what it was meant to reach."""
        self._judge()
        if self.error:
            raise self.error
        if not self.heads:
            raise UnknownOutcome("the change ended before it began anything", "run the same command again")
        first, last = self.heads[0], self.heads[-1]
        if last.goal != first.goal:
            raise Unhealthy("the new release did not prove itself: what served before serves again")
        if last.left:
            message = f"the change ended after `{last.phase}`: `{last.left[0]}` was never begun, nobody leads it any more"
            raise UnknownOutcome(message, "what is there serves; run the same command again, it finishes the change")

    def _judge(self) -> None:
        try:
            if self.journal:
                program.judge(self.journal.code, None)
        except ChatopsError as error:
            self.error = self.error or error
