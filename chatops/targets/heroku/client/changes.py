"""The changes that are a call or two each."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from chatops.errors import Locked, StepFailed
from chatops.model import Generate
from chatops.redact import Secret
from chatops.sanitize import sanitize
from chatops.targets.heroku.client import building, read
from chatops.targets.heroku.client.course import Course, patience
from chatops.targets.heroku.client.faults import Refused
from chatops.targets.heroku.plan.steps import (
    AddAddon,
    AddDomain,
    AddDrain,
    CreateApp,
    EnableFeature,
    ReturnTo,
    SetBuildpacks,
    SetConfig,
    SetFormation,
    SetStack,
)

T = TypeVar("T")


async def claim(course: Course) -> None:
    """Raises Locked while somebody builds or releases."""
    if lock := (await read.running(course.api, course.path))[0]:
        since = max(0.0, time.time() - lock.since)
        hint = "`chatops attach` joins it, `--wait-lock SECONDS` waits for it"
        raise Locked(f"{lock.who} is changing the app: a {lock.what} runs since {since:.0f} s", hint)


async def create_app(course: Course, step: CreateApp) -> str:
    """Makes the app and marks it in one go: one of ours without its mark would not be known as ours."""
    return await _whole(_create_app(course, step))


async def _create_app(course: Course, step: CreateApp) -> str:
    body = {"name": course.app, "region": step.region} | ({"stack": step.stack} if step.stack else {})
    try:
        app = await course.api.create("/apps", body, partial(_just_made, course, time.time() - building.SKEW))
    except Refused as error:
        if error.status == 422 and "taken" in error.message:
            raise StepFailed(
                f"the name `{course.app}` is taken", "choose another `app`: names are shared by all of Heroku"
            ) from None
        raise
    await course.api.change("PATCH", f"{course.path}/config-vars", step.config)
    return f"{app['name']} in {app['region']['name']} on {app['stack']['name']}"


async def _just_made(course: Course, since: float) -> dict[str, Any] | None:
    """The app that a doubtful call made: of this account, and new."""
    try:
        app, account = await asyncio.gather(course.api.get(course.path), course.api.get("/account"))
    except Refused:
        return None
    mine = app["owner"]["email"] == account["email"] and read.epoch(app["created_at"]) > since
    return dict(app) if mine else None


async def _whole(change: Awaitable[T]) -> T:
    """Carries a change to its end also when we are asked to stop in the middle."""
    running = asyncio.ensure_future(change)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def set_stack(course: Course, step: SetStack) -> None:
    """For the next build."""
    await course.api.change("PATCH", course.path, {"build_stack": step.stack})


async def enable_feature(course: Course, step: EnableFeature) -> None:
    """A feature or a lab."""
    await (await course.objects()).enable_feature(step.feature)


async def set_buildpacks(course: Course, step: SetBuildpacks) -> None:
    """All of them, in order."""
    updates = [{"buildpack": buildpack} for buildpack in step.buildpacks]
    await course.api.change("PUT", f"{course.path}/buildpack-installations", {"updates": updates})


async def add_addon(course: Course, step: AddAddon) -> AsyncGenerator[str]:
    """Raises StepFailed when the add-on can't be provisioned."""
    addon = await _moved(course, step) if step.replaces else await _added(course, step)
    looks = 0
    while addon["state"] == "provisioning":
        if not looks:
            yield f"{addon['name']} is being provisioned"
        await asyncio.sleep(patience(looks := looks + 1))
        addon = await course.api.get(f"{course.path}/addons/{addon['id']}")
    if addon["state"] != "provisioned":
        said = sanitize(str(addon.get("provision_message") or addon["state"]))
        raise StepFailed(f"{step.plan} could not be provisioned: {said}", "run again, or choose another plan")
    yield f"{addon['name']} sets {', '.join(addon['config_vars']) or 'nothing'}"


async def _added(course: Course, step: AddAddon) -> dict[str, Any]:
    service = step.plan.split(":")[0]
    body = {"plan": step.plan}
    addon: dict[str, Any] = await course.api.create(f"{course.path}/addons", body, partial(_addon_of, course, service))
    return addon


async def _moved(course: Course, step: AddAddon) -> dict[str, Any]:
    there = await _addon_of(course, step.plan.split(":")[0])
    if there is None:
        return await _added(course, step)
    addon: dict[str, Any] = await course.api.change("PATCH", f"{course.path}/addons/{there['id']}", {"plan": step.plan})
    return addon


async def _addon_of(course: Course, service: str) -> dict[str, Any] | None:
    addons = await course.api.all(f"{course.path}/addons")
    return next((addon for addon in addons if addon["plan"]["name"].split(":")[0] == service), None)


async def add_drain(course: Course, step: AddDrain) -> None:
    """A URL that is there already is not an error."""
    url = step.url.reveal()
    await (await course.objects()).add_drain(url, partial(_listed, course, "log-drains", "url", url))


async def _listed(course: Course, kind: str, field: str, value: str) -> dict[str, Any] | None:
    items = await course.api.all(f"{course.path}/{kind}")
    return next((item for item in items if item[field] == value), None)


async def set_config(course: Course, step: SetConfig) -> AsyncGenerator[str]:
    """One PATCH, and the release that it makes. What is to be made here is made now, and never shown."""
    await (await course.objects()).set_config({name: _text(value) for name, value in step.changes.items()})
    async with aclosing(_newest(course)) as lines:
        async for line in lines:
            yield line


def _text(value: Secret | Generate | None) -> str | None:
    if isinstance(value, Generate):
        return secrets.token_urlsafe(value.length)
    return value.reveal() if value else None


def _newest(course: Course) -> AsyncGenerator[str]:
    """Waits for the newest release, which a change has just made."""
    course.release = None
    return building.await_release(course)


async def set_formation(course: Course, step: SetFormation) -> str:
    """Raises StepFailed for a process type that the release does not have."""
    updates: list[Mapping[str, Any]] = [
        {"type": kind, "quantity": wanted.quantity, "dyno_size": {"name": wanted.size}}
        for kind, wanted in step.formation.items()
    ]
    try:
        done = await course.api.change("PATCH", f"{course.path}/formation", {"updates": updates})
    except Refused as error:
        if error.status == 404 and "process type" in error.message:
            kinds = ", ".join(step.formation)
            raise StepFailed(
                f"the release has no such process type: {kinds}", "name it in the Procfile, or drop it from `dynos`"
            ) from None
        raise
    return ", ".join(f"{item['type']}: {item['quantity']} x {item['size']}" for item in done)


async def add_domain(course: Course, step: AddDomain) -> str:
    """Tells where DNS must point."""
    find = partial(_cname, course, step.hostname)
    try:
        target = await (await course.objects()).add_domain(step.hostname, find)
    except Refused as error:
        if error.about_us:
            raise
        raise StepFailed(f"{step.hostname}: {error.message}", error.hint) from None
    return f"point DNS: {step.hostname} is an ALIAS or CNAME of {target}"


async def _cname(course: Course, hostname: str) -> str | None:
    domain = await _listed(course, "domains", "hostname", hostname)
    return str(domain["cname"] or "") if domain else None


async def enable_certificates(course: Course) -> None:
    """They come when DNS points here."""
    await (await course.objects()).enable_certificates()


async def return_to(course: Course, step: ReturnTo) -> AsyncGenerator[str]:
    """A new release with an old one's slug and config vars."""
    since = time.time() - building.SKEW
    find = partial(_returned, course, step.release, since)
    made = await course.api.create(f"{course.path}/releases", {"release": step.uuid}, find)
    course.release, course.version = made["id"], None
    async with aclosing(building.await_release(course)) as lines:
        async for line in lines:
            yield line


async def _returned(course: Course, release: str, since: float) -> dict[str, Any] | None:
    newest = await read.latest_release(course.api, course.path)
    ours = str(newest["description"]).endswith(f"to {release}") and read.epoch(newest["created_at"]) > since
    return newest if ours else None


async def delete_app(course: Course) -> None:
    """An app that is gone already is gone."""
    try:
        await (await course.objects()).delete_app()
    except Refused as error:
        if error.status != 404:
            raise
