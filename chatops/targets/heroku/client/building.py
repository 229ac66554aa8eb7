"""From a packed release to a release of the platform: upload, build, release phase; output shown and kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from chatops.errors import Locked, StepFailed
from chatops.model import Release
from chatops.targets.heroku.client import read
from chatops.targets.heroku.client.api import TRIES
from chatops.targets.heroku.client.course import Course, patience
from chatops.targets.heroku.client.faults import Refused
from chatops.targets.heroku.client.output import Output
from chatops.targets.heroku.client.source import upload

LAST_TRIES = 2
"""Tries to read what is left of an output whose work is done."""
KEPT = 10
"""Output files that stay."""
SKEW = 120.0
"""Seconds that the operator's clock and the platform's may differ."""


async def build(course: Course, release: Release) -> AsyncGenerator[str]:
    """Uploads and builds. Raises StepFailed when the build fails, Locked when somebody else's is in the way."""
    stored = await upload(course.api, release.archive)
    yield f"uploaded {stored.size / 1e6:.1f} MB"
    blob = {"url": stored.url, "checksum": stored.checksum, "version": release.id, "version_description": release.git}
    found = partial(_ours, course, release.id, time.time() - SKEW)
    try:
        started = await course.api.create(f"{course.path}/builds", {"source_blob": blob}, found)
    except Refused as error:
        raise await _in_the_way(course, error) from None
    async with aclosing(follow_build(course, started)) as lines:
        async for line in lines:
            yield line


async def _ours(course: Course, version: str, since: float) -> dict[str, Any] | None:
    """The build of ours that was begun although no answer came."""
    builds = await course.api.latest(f"{course.path}/builds", "created_at", 5)
    mine = (build for build in builds if build["source_blob"]["version"] == version and read.epoch(build["created_at"]) > since)
    return next(mine, None)


async def _in_the_way(course: Course, error: Refused) -> Exception:
    if error.status in (409, 422) and (lock := (await read.running(course.api, course.path))[0]):
        return Locked(f"{lock.who} is building this app now", "wait, or follow it with `chatops attach`")
    return error


async def join_build(course: Course, build: str) -> AsyncGenerator[str]:
    """Follows a build that somebody else has begun, or we before."""
    async with aclosing(follow_build(course, await course.api.get(f"{course.path}/builds/{build}"))) as lines:
        async for line in lines:
            yield line


async def follow_build(course: Course, build: dict[str, Any]) -> AsyncGenerator[str]:
    """The output of a build to its end. Raises StepFailed when it failed."""
    course.building = build["id"]
    file = _file(course.folder, build["source_blob"].get("version") or build["id"])
    async with aclosing(_shown(course, build["output_stream_url"], file, partial(_build, course))) as lines:
        async for line in lines:
            yield line
    ended = await _build(course)
    if ended["status"] == "failed":
        course.building = None
        raise StepFailed(f"the build failed: {_reason(file)}", f"the whole output is in {file}")
    course.release = await _release_of(course, ended)
    course.building = None


async def _build(course: Course) -> dict[str, Any]:
    found: dict[str, Any] = await course.api.get(f"{course.path}/builds/{course.building}")
    return found


async def _release_of(course: Course, build: dict[str, Any]) -> str:
    """The release that a good build makes may come a moment later."""
    looks = 0
    while not build.get("release"):
        await asyncio.sleep(patience(looks := looks + 1))
        build = await _build(course)
    return str(build["release"]["id"])


async def await_release(course: Course) -> AsyncGenerator[str]:
    """Follows the release phase of the newest release. Raises StepFailed when it does not succeed."""
    release = await _release(course)
    course.release = release["id"]
    if release.get("output_stream_url"):
        file = _file(course.folder, f"release-v{release['version']}")
        async with aclosing(_shown(course, release["output_stream_url"], file, partial(_release, course))) as lines:
            async for line in lines:
                yield line
    looks = 0
    while release["status"] == "pending":
        await asyncio.sleep(patience(looks))
        looks, release = looks + 1, await _release(course)
    if release["status"] != "succeeded":
        raise StepFailed(
            f"the release phase of v{release['version']} {release['status']}", "its output tells why; nothing was switched"
        )
    course.version = int(release["version"])
    yield f"released v{course.version}"


async def _release(course: Course) -> dict[str, Any]:
    if course.release is None:
        return await read.latest_release(course.api, course.path)
    found: dict[str, Any] = await course.api.get(f"{course.path}/releases/{course.release}")
    return found


async def _shown(course: Course, url: str, file: Path, status: Any) -> AsyncGenerator[str]:
    """Every line of an output, also written to `file`, until its `status` is no longer pending."""
    output = Output(course.api.plain(url), url)
    looks, pending = 0, True
    with file.open("w", encoding="utf-8") as kept:
        while pending:
            pending = (await status())["status"] == "pending"
            # A stream may end before its build does, and a build before its stream: the last look comes after the status.
            async with aclosing(output.lines(TRIES if pending else LAST_TRIES)) as lines:
                async for line in lines:
                    yield _keep(kept, course.redact(line))
            if pending:
                await asyncio.sleep(patience(looks) if looks else 0)
                looks += 1
        for line in output.rest():
            yield _keep(kept, course.redact(line))


def _keep(file: Any, line: str) -> str:
    file.write(line + "\n")
    return line


def _file(folder: Path, name: str) -> Path:
    """A file that only its owner may read; the oldest go."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)[: -KEPT + 1]:
        with suppress(OSError):
            old.unlink()
    file = folder / f"{''.join(c if c.isalnum() or c in '-_.' else '_' for c in name)[:80]}.log"
    file.touch(mode=0o600)
    return file


def _reason(file: Path) -> str:
    """What the platform says about a failed build: the first line that it marks with `!`, else the last line."""
    lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    marked = (line.lstrip("! ") for line in lines if line.startswith("!") and line.strip("! "))
    return next(marked, next((line for line in reversed(lines) if line), "no output"))
