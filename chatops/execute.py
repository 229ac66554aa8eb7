"""Carries a plan out, phase after phase, through its gates; goes back by itself when the new release does not hold."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

from chatops import health
from chatops.errors import ChatopsError, Interrupted, StepFailed, Unhealthy, UnknownOutcome
from chatops.events import Event, Finished, HealthSample, Impact, Notice
from chatops.goals import Deploy, Goal, Phase, Plan, Restart, Rollback, Scale
from chatops.model import State
from chatops.targets.base import Target


class Prober(Protocol):
    """Feels what users feel while a plan is carried out."""

    async def start(self) -> None:
        """Begins to ask."""

    async def ready(self) -> None:
        """Waits until something was felt, so that what comes now has a before; it is felt for a moment at least."""

    async def stop(self) -> Impact | None:
        """Ends, and tells what was felt; None where there was nothing to ask."""


@dataclass(slots=True)
class _Course:
    """How far a plan has come; a good look at the app after a switch (a gate's, a step's, one of a target's own) proves it."""

    begun: float = field(default_factory=time.monotonic)
    proved: bool = False
    switching: bool = False
    """Whether traffic may have been moved."""
    release: str | None = None
    error: ChatopsError | None = None


async def execute(target: Target[Any], state: State, plan: Plan, prober: Prober | None = None) -> AsyncGenerator[Event, None]:
    """The events of a plan; the last is Finished and says how it ended. Raises Locked or TargetError where nothing was done."""
    course = _Course()
    if plan.changes and prober:
        await prober.start()
    try:
        async with aclosing(_attempt(target, plan, course, prober)) as events:
            async for event in events:
                yield event
        if course.error and (goal := _way_back(state, plan, course)):
            yield Notice(time=time.time(), message=_announce(goal), level="warning", target=target.name)
            async with aclosing(_go_back(target, goal, course)) as events:
                async for event in events:
                    yield event
    finally:
        impact = await prober.stop() if plan.changes and prober else None
    finished = _finished(plan, course, impact)
    await target.remember(plan, finished)
    yield finished


async def _attempt(target: Target[Any], plan: Plan, course: _Course, prober: Prober | None) -> AsyncGenerator[Event, None]:
    """Every phase and its gate; what ends it early lands in `course.error`."""
    if not plan.changes:
        return
    try:
        for phase in plan.phases:
            course.switching = course.switching or phase.name == "switch"
            if phase.gate and prober:
                await prober.ready()
            async with aclosing(_phase(target, plan, phase)) as events:
                async for event in events:
                    if isinstance(event, HealthSample):
                        course.proved, course.release = True, event.release
                    yield event
            course.proved = course.proved or (course.switching and any(step.proves for step in phase.steps))
    except (StepFailed, Unhealthy, Interrupted, UnknownOutcome) as error:
        course.error = error
    except asyncio.CancelledError:
        if task := asyncio.current_task():
            task.uncancel()
        course.error = Interrupted("interrupted")


async def _phase(target: Target[Any], plan: Plan, phase: Phase) -> AsyncGenerator[Event, None]:
    async with aclosing(target.carry_out(plan, phase)) as events:
        async for event in events:
            yield event
    if phase.gate:
        yield await health.wait_until_healthy(phase.gate)


def _way_back(state: State, plan: Plan, course: _Course) -> Goal | None:
    """Where to return to: what served before. After the gate the new release stays: it has proved itself."""
    if course.proved or isinstance(course.error, UnknownOutcome):
        return None
    if not isinstance(plan.goal, Deploy | Restart | Rollback | Scale):
        return None
    if isinstance(plan.goal, Scale):
        return Scale(_workers(state))
    former = state.release.id if state.release else None
    bad = plan.release if isinstance(course.error, Unhealthy) and isinstance(plan.goal, Deploy) else None
    return Rollback(former, bad if bad != former else None, undo=plan.release)


def _workers(state: State) -> int:
    """How many workers had clients before, on the host that had most."""
    mine = (one for one in state.workers if state.release and one.release == state.release.id)
    hosts = Counter(one.host for one in mine if one.state not in {"starting", "stopping"})
    return max(hosts.values(), default=1)


def _announce(goal: Goal) -> str:
    if isinstance(goal, Scale):
        return f"going back to {goal.workers} workers"
    to = goal.to if isinstance(goal, Rollback) else None
    return f"going back: {to} keeps serving" if to else "going back: what was started is removed"


async def _go_back(target: Target[Any], goal: Goal, course: _Course) -> AsyncGenerator[Event, None]:
    """Looks again, plans the way back and carries it out; a failure here joins the first error's words."""
    try:
        plan = target.plan(await target.inspect(), goal)
        for phase in plan.phases:
            async with aclosing(_phase(target, plan, phase)) as events:
                async for event in events:
                    yield event
    except ChatopsError as second:
        first = course.error
        message = f"{first.message if first else ''}; the way back failed too: {second.message}"
        kind = UnknownOutcome if course.switching else StepFailed
        course.error = kind(message, "run the same command again, or `chatops status` first")


def _finished(plan: Plan, course: _Course, impact: Impact | None) -> Finished:
    error = course.error
    return Finished(
        time=time.time(),
        ok=error is None,
        changed=plan.changes,
        seconds=time.monotonic() - course.begun,
        release=plan.release or course.release,
        impact=impact,
        exit_code=error.exit_code if error else 0,
        error=error.message if error else "",
        hint=error.hint if error else "",
    )
