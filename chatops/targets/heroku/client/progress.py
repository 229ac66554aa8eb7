"""Steps as events: begun, what they tell, done or failed; each within its limit, its errors in CONTRACT's words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from chatops import events
from chatops.errors import ChatopsError, Interrupted, StepFailed, TargetError, Unhealthy, UnknownOutcome
from chatops.events import Event, StepFinished, StepOutput, StepStarted
from chatops.targets.heroku.client.carry import Said, carry
from chatops.targets.heroku.client.course import Course
from chatops.targets.heroku.client.faults import Ambiguous, Refused
from chatops.targets.heroku.plan.steps import AwaitDynos, AwaitRelease, CheckHealth, HerokuStep

FOLLOW = "`chatops status` shows how it ended, `chatops attach` joins what still runs"


async def progress(course: Course, phase: str, step: HerokuStep) -> AsyncGenerator[Event]:
    """One step. Raises what `carry` does, as exit codes know it."""
    begun = time.monotonic()
    yield StepStarted(time=time.time(), phase=phase, step=step.name, title=step.title)
    try:
        async with aclosing(_within(carry(course, step), step.limit)) as told:
            async for said in told:
                yield said if isinstance(said, events.HealthSample) else _output(course, phase, step, said)
    except asyncio.CancelledError:
        if not course.building:
            raise
        raise Interrupted("interrupted; the build goes on at Heroku", "`chatops attach` joins it again") from None
    except (ChatopsError, TimeoutError) as error:
        known = _known(course, step, error)
        seconds = time.monotonic() - begun
        yield events.StepFailed(
            time=time.time(), phase=phase, step=step.name, title=step.title, message=known.message, seconds=seconds
        )
        raise known from None
    seconds = time.monotonic() - begun
    yield StepFinished(time=time.time(), phase=phase, step=step.name, title=step.title, changed=True, seconds=seconds)


def _output(course: Course, phase: str, step: HerokuStep, said: str) -> Event:
    return StepOutput(time=time.time(), phase=phase, step=step.name, line=course.redact(said))


async def _within(source: AsyncGenerator[Said], seconds: float) -> AsyncGenerator[Said]:
    """The values of `source`, all of them before the time is over. Raises TimeoutError."""
    end = asyncio.get_running_loop().time() + seconds
    async with aclosing(source):
        while True:
            try:
                async with asyncio.timeout_at(end):
                    said = await anext(source)
            except StopAsyncIteration:
                return
            yield said


def _known(course: Course, step: HerokuStep, error: ChatopsError | TimeoutError) -> ChatopsError:
    """What went wrong, as the exit code that is true for it."""
    if isinstance(error, TimeoutError):
        return _late(step)
    if isinstance(error, Refused) and not error.about_us:
        return StepFailed(course.redact(error.message), error.hint)
    if isinstance(error, TargetError | Ambiguous) and _begun(course, step):
        return UnknownOutcome(f"{error.message}; what was begun goes on", FOLLOW)
    return error


def _begun(course: Course, step: HerokuStep) -> bool:
    """Whether something of ours is under way over there."""
    return course.building is not None or isinstance(step, AwaitRelease | AwaitDynos | CheckHealth)


def _late(step: HerokuStep) -> ChatopsError:
    message = f"{step.title}: not done after {step.limit:.0f} s"
    if isinstance(step, AwaitDynos | CheckHealth):
        return Unhealthy(message, "`chatops logs` shows what the dynos say")
    return StepFailed(message, FOLLOW)
