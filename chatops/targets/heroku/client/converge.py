"""Dynos up on the release that was made, and the app answering from it; what crashed says why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from chatops import health
from chatops.errors import TargetError, Unhealthy
from chatops.events import HealthSample
from chatops.goals import Gate
from chatops.targets.heroku.client.course import Course, patience
from chatops.targets.heroku.client.logs import Log
from chatops.targets.heroku.plan.state import Formation

_OURS = re.compile(r"v\d+\Z")
LAST_WORDS = 15
"""Log lines that are shown of a dyno that crashed."""


async def await_dynos(course: Course, formation: Mapping[str, Formation]) -> AsyncGenerator[str]:
    """Until as many as wanted are up on the release. Raises Unhealthy as soon as one of them crashes."""
    version = await course.newest()
    looks = 0
    while True:
        dynos = [dyno for dyno in await course.api.all(f"{course.path}/dynos") if dyno["release"]["version"] >= version]
        if crashed := [dyno["name"] for dyno in dynos if dyno["state"] == "crashed" and dyno["type"] in formation]:
            async for line in _last_words(course, crashed[0]):
                yield line
            raise Unhealthy(f"{', '.join(crashed)} crashed on v{version}", f"`chatops logs --worker {crashed[0]}` shows more")
        if all(_up(dynos, kind) >= wanted.quantity for kind, wanted in formation.items()):
            break
        await asyncio.sleep(patience(looks))
        looks += 1
    names = sorted(dyno["name"] for dyno in dynos if dyno["type"] in formation)
    yield f"up on v{version}: {', '.join(names) or 'nothing to run'}"


def _up(dynos: list[dict[str, Any]], kind: str) -> int:
    return sum(dyno["type"] == kind and dyno["state"] in ("up", "idle") for dyno in dynos)


async def restart_dyno(course: Course, name: str) -> AsyncGenerator[str]:
    """Replaces one dyno and waits until the new one is up. Raises Unhealthy when it crashes."""
    before = {dyno["name"]: dyno["id"] for dyno in await course.api.all(f"{course.path}/dynos")}
    await (await course.objects()).restart_dyno(name)
    looks = 0
    while True:
        dynos = await course.api.all(f"{course.path}/dynos")
        fresh = next((dyno for dyno in dynos if dyno["name"] == name and dyno["id"] != before.get(name)), None)
        if fresh and fresh["state"] in ("up", "idle"):
            break
        if fresh and fresh["state"] == "crashed":
            async for line in _last_words(course, name):
                yield line
            raise Unhealthy(f"{name} crashed at its restart", f"`chatops logs --worker {name}` shows more")
        await asyncio.sleep(patience(looks))
        looks += 1
    yield f"{name} is up"


async def check_health(course: Course, path: str, seconds: float) -> AsyncGenerator[str | HealthSample]:
    """Good answers from the public address, of the new release where the app tells one. Raises Unhealthy."""
    address = (await course.api.get(course.path)).get("web_url")
    if not address:
        yield "the app has no public address; nothing to ask"
        return
    url = address.rstrip("/") + path
    release = f"v{await course.newest()}"
    first = await health.wait_until_healthy(Gate(url=url, answers=1, seconds=seconds))
    # An app may tell a release of its own making: then only its good answers count.
    tells = first.release is not None and _OURS.match(first.release)
    proof = await health.wait_until_healthy(Gate(url=url, release=release if tells else None, seconds=seconds))
    yield replace(proof, target=course.target, release=release)


async def _last_words(course: Course, dyno: str) -> AsyncGenerator[str]:
    """What a dyno said before it crashed, as far as the log can be had."""
    try:
        async with aclosing(Log(course.api, course.path, course.target, course.redact).backlog(100, None)) as lines:
            said = [line async for line in lines if line.worker == dyno]
    except TargetError as error:
        said = []
        yield f"its log can't be read: {error}"
    for line in said[-LAST_WORDS:]:
        yield f"{dyno}: {line.message}"
