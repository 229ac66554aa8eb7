"""Carries the steps out: one match over all of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from typing import assert_never

from chatops.events import HealthSample
from chatops.targets.heroku.client import building, changes, converge
from chatops.targets.heroku.client.course import Course
from chatops.targets.heroku.plan.steps import (
    AddAddon,
    AddDomain,
    AddDrain,
    AwaitDynos,
    AwaitRelease,
    Build,
    CheckHealth,
    Claim,
    CreateApp,
    DeleteApp,
    EnableCertificates,
    EnableFeature,
    HerokuStep,
    JoinBuild,
    RestartDyno,
    ReturnTo,
    SetBuildpacks,
    SetConfig,
    SetFormation,
    SetStack,
)

Said = str | HealthSample
"""A line that a step has to tell, or a look at the app's health."""


def carry(course: Course, step: HerokuStep) -> AsyncGenerator[Said]:  # noqa: C901, PLR0911, PLR0912  a case a step
    """One step. Raises StepFailed, Unhealthy, Locked, and what the API refuses."""
    match step:
        case Build():
            return building.build(course, step.source)
        case JoinBuild():
            return building.join_build(course, step.build)
        case AwaitRelease():
            return building.await_release(course)
        case AwaitDynos():
            return converge.await_dynos(course, step.formation)
        case CheckHealth():
            return converge.check_health(course, step.path, step.seconds)
        case RestartDyno():
            return converge.restart_dyno(course, step.dyno)
        case ReturnTo():
            return changes.return_to(course, step)
        case SetConfig():
            return changes.set_config(course, step)
        case AddAddon():
            return changes.add_addon(course, step)
        case Claim():
            return _told(changes.claim(course))
        case CreateApp():
            return _told(changes.create_app(course, step))
        case SetStack():
            return _told(changes.set_stack(course, step))
        case EnableFeature():
            return _told(changes.enable_feature(course, step))
        case SetBuildpacks():
            return _told(changes.set_buildpacks(course, step))
        case AddDrain():
            return _told(changes.add_drain(course, step))
        case SetFormation():
            return _told(changes.set_formation(course, step))
        case AddDomain():
            return _told(changes.add_domain(course, step))
        case EnableCertificates():
            return _told(changes.enable_certificates(course))
        case DeleteApp():
            return _told(changes.delete_app(course))
        case _:
            assert_never(step)


async def _told(change: Awaitable[str | None]) -> AsyncGenerator[Said]:
    if said := await change:
        yield said
