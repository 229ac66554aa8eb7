"""What every target implements, as one protocol; there is no base class."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from chatops.frozen import frozen
from chatops.model import State, Worker

if TYPE_CHECKING:
    from chatops.events import Event, Finished, LogLine, Notice
    from chatops.goals import Goal, Phase, Plan

StateT = TypeVar("StateT", bound=State)


@frozen
class Finding:
    """One line of `doctor`: what was looked at, how it stands, and advice where it is not `ok`."""

    name: str
    status: Literal["ok", "warning", "error"]
    message: str
    hint: str = ""


@frozen
class Checkup:
    """What a look at what a deploy would need found, and by host what was seen there: plain values, nothing secret."""

    findings: Sequence[Finding]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Target(Protocol[StateT]):
    """A named place where the app can live. Every method but `plan` may raise TargetError."""

    name: str
    kind: str

    async def inspect(self, *, closely: bool = False) -> StateT:
        """What is there now; reads only. `closely`: with `checks`, which whoever changes something does not wait for."""

    def plan(self, state: StateT, goal: Goal) -> Plan:
        """What would reach `goal` from `state`. Pure. Raises ConfigError for a goal that can't be."""

    def carry_out(self, plan: Plan, phase: Phase) -> AsyncGenerator[Event, None]:
        """Does one phase of a plan. Raises StepFailed, Unhealthy, Locked, UnknownOutcome."""

    def attach(self) -> AsyncGenerator[Event, None]:
        """Joins what is being carried out on the target, from its first event. Raises TargetError when nothing is."""

    def script(self, plan: Plan) -> str:
        """The programs of a plan as text to read. Raises ConfigError where the target has none."""

    def logs(self, tail: int, follow: bool, since: float | None) -> AsyncGenerator[LogLine | Notice, None]:
        """The last `tail` lines (or those since an epoch time), then live ones when `follow`.

        Called again after a cut (TargetError, OSError) it may go on exactly there: then a Notice comes first (`resume`).
        """

    async def workers(self) -> Sequence[Worker]:
        """Every worker with its CPU and memory; called about once a second."""

    async def run(self, arguments: Sequence[str]) -> int:
        """A one-off command in the app's environment, on the operator's terminal; gives its exit code."""

    async def doctor(self) -> Checkup:
        """A read-only look at what a deploy would need."""

    async def remember(self, plan: Plan, finished: Finished) -> None:
        """Notes how a plan ended in the target's own history, where it keeps one."""

    async def close(self) -> None:
        """Gives back connections and threads."""
