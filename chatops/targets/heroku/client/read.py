"""What exists, read in parallel: eight calls at most where nothing is to be changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote

from chatops.model import KeptRelease, Lock, ReleaseState, Worker, WorkerState
from chatops.redact import Secret
from chatops.sanitize import sanitize
from chatops.targets.heroku.client.api import Api
from chatops.targets.heroku.client.faults import Refused
from chatops.targets.heroku.config import Block
from chatops.targets.heroku.plan.state import MARK, AppFacts, Formation, HerokuState

RELEASES = 50
BUILDS = 50
Item = Mapping[str, Any]
_STATES: Mapping[str, WorkerState] = {"up": "up", "starting": "starting", "crashed": "crashed", "down": "down", "idle": "down"}


async def read(api: Api, target: str, block: Block, mark: str) -> HerokuState:
    """The state. An app that is not there is a state without `app`; one that we may not see raises Refused."""
    path = app_path(block.app)
    app, config, releases, builds, dynos, features, domains, drains = await _together(
        api.get(path),
        api.get(f"{path}/config-vars"),
        api.latest(f"{path}/releases", "version", RELEASES),
        api.latest(f"{path}/builds", "created_at", BUILDS),
        api.all(f"{path}/dynos"),
        api.all(f"{path}/features"),
        _where(block.domains, api, f"{path}/domains"),
        _where(block.drains, api, f"{path}/log-drains"),
    )
    if app is None:
        return HerokuState(target=target, kind="heroku")
    current: Item = next((release for release in releases if release.get("current")), {})
    build = _build_of(current, builds)
    addons, buildpacks = await asyncio.gather(_addons(api, path, block, current), _buildpacks(api, path, block, build))
    return HerokuState(
        target=target,
        kind="heroku",
        url=(app.get("web_url") or "").rstrip("/") or None,
        releases=tuple(_kept(releases, builds)),
        workers=workers(dynos, time.time()),
        lock=_lock(builds, releases),
        app=_facts(app, config.get(MARK) == mark),
        config={name: Secret(value) for name, value in config.items()},
        source=(build.get("source_blob") or {}).get("version"),
        uuids={f"v{release['version']}": release["id"] for release in releases},
        latest=max((release["version"] for release in releases), default=0),
        formation=_formation(dynos),
        addons=addons,
        features=frozenset(feature["name"] for feature in features if feature["enabled"]),
        buildpacks=buildpacks,
        domains=frozenset(domain["hostname"] for domain in domains),
        drains=frozenset(drain["url"] for drain in drains),
        boot_seconds=_boot(dynos),
    )


def app_path(name: str) -> str:
    """The API path of an app."""
    return f"/apps/{quote(name, safe='')}"


async def _together(app: Awaitable[Any], *others: Awaitable[Any]) -> Sequence[Any]:
    """Everything at once. The answer about the app decides: where it is missing, so is the rest."""
    results = await asyncio.gather(app, *others, return_exceptions=True)
    if isinstance(results[0], Refused) and results[0].status == 404:
        return [None] * len(results)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def _where(wanted: Iterable[object], api: Api, path: str) -> list[dict[str, Any]]:
    """A list that matters only where the file names something of its kind."""
    return await api.all(path) if wanted else []


async def _addons(api: Api, path: str, block: Block, current: Item) -> frozenset[str]:
    """Plans, with those that are still being provisioned; the current release spares the call when it has them all."""
    known = frozenset(current.get("addon_plan_names") or ())
    if all(_satisfied(plan, known) for plan in block.addons):
        return known
    return known | {addon["plan"]["name"] for addon in await api.all(f"{path}/addons")}


async def _buildpacks(api: Api, path: str, block: Block, build: Item) -> tuple[str, ...]:
    """What the next build will use; that the serving one used what the file names spares the call."""
    used = tuple(_buildpack(pack) for pack in build.get("buildpacks") or ())
    if used == block.buildpacks or not block.buildpacks:
        return used
    return tuple(_buildpack(item["buildpack"]) for item in await api.all(f"{path}/buildpack-installations"))


def _satisfied(plan: str, known: Iterable[str]) -> bool:
    return plan in known or (":" not in plan and any(name.split(":")[0] == plan for name in known))


def _facts(app: Item, ours: bool) -> AppFacts:
    build_stack = app.get("build_stack") or app["stack"]
    return AppFacts(
        id=app["id"],
        name=app["name"],
        region=app["region"]["name"],
        stack=build_stack["name"],
        owner=sanitize(app["owner"]["email"]),
        ours=ours,
        acm=bool(app.get("acm")),
        maintenance=bool(app.get("maintenance")),
        generation=_generation(app),
    )


def _generation(app: Item) -> str:
    generation = app.get("generation")
    return str(generation["name"] if isinstance(generation, Mapping) else generation or "cedar")


def _kept(releases: Sequence[Item], builds: Sequence[Item]) -> Iterable[KeptRelease]:
    """Releases with code, newest first; a rollback marks what it left behind as bad."""
    made_by = {build["slug"]["id"]: build for build in builds if build.get("slug")}
    left: set[int] = set()
    for release in releases:
        if not release.get("slug"):
            continue
        build = made_by.get(release["slug"]["id"], {})
        yield KeptRelease(
            id=f"v{release['version']}",
            state=_release_state(release, left),
            created=epoch(release["created_at"]),
            by=sanitize(release["user"]["email"]),
            git=_git(build),
        )
        left |= _left_behind(release)


def _release_state(release: Item, left: set[int]) -> ReleaseState:
    if release.get("current"):
        return "current"
    return "bad" if release["status"] in ("failed", "expired") or release["version"] in left else "kept"


def _left_behind(release: Item) -> set[int]:
    """`Rollback to v7` as v10 leaves v8 and v9 behind."""
    head, _, version = str(release.get("description") or "").rpartition(" v")
    if not head.startswith("Rollback to") or not version.isdigit():
        return set()
    return set(range(int(version) + 1, int(release["version"])))


def _git(build: Item) -> str | None:
    said = (build.get("source_blob") or {}).get("version_description")
    return sanitize(str(said)) if said else None


def _build_of(release: Item, builds: Sequence[Item]) -> Item:
    """The build that made a release's code."""
    slug = (release.get("slug") or {}).get("id")
    return next((build for build in builds if slug and (build.get("slug") or {}).get("id") == slug), {})


def _lock(builds: Sequence[Item], releases: Sequence[Item]) -> Lock | None:
    """A running build, or a running release phase, is somebody who changes the app."""
    for what, items in (("build", builds[:5]), ("release phase", releases[:1])):
        for item in items:
            if item["status"] == "pending":
                return Lock(sanitize(item["user"]["email"]), what, epoch(item["created_at"]))
    return None


def workers(dynos: Sequence[Item], now: float) -> tuple[Worker, ...]:
    """The dynos of the formation: no one-off, no release phase."""
    ours = (dyno for dyno in dynos if dyno["type"] not in ("run", "release", "scheduler"))
    return tuple(_worker(dyno, now) for dyno in sorted(ours, key=lambda dyno: natural(dyno["name"])))


def natural(name: str) -> tuple[str, int]:
    """`web.10` comes after `web.9`."""
    head, _, number = name.partition(".")
    return head, int(number) if number.isdigit() else 0


def _worker(dyno: Item, now: float) -> Worker:
    state = _STATES.get(dyno["state"], "starting")
    return Worker(
        name=sanitize(dyno["name"]),
        host="heroku",
        state=state,
        uptime_seconds=max(0.0, now - epoch(dyno["updated_at"])) if state == "up" else None,
        release=f"v{dyno['release']['version']}" if dyno.get("release") else None,
    )


def _formation(dynos: Sequence[Item]) -> dict[str, Formation]:
    """Counted from the dynos themselves, which spares a call: a crashed or sleeping dyno is listed too."""
    found: dict[str, Formation] = {}
    for dyno in dynos:
        if dyno["type"] not in ("run", "release", "scheduler"):
            before = found.get(dyno["type"], Formation(0, str(dyno["size"]).lower()))
            found[dyno["type"]] = Formation(before.quantity + 1, before.size)
    return found


def _boot(dynos: Sequence[Item]) -> float | None:
    """How long the slowest web dyno took from its start to `up`, where that can be seen."""
    times = [
        epoch(dyno["updated_at"]) - epoch(dyno["created_at"])
        for dyno in dynos
        if dyno["state"] == "up" and dyno["type"] == "web"
    ]
    return max((seconds for seconds in times if 0 < seconds < 120), default=None)


def _buildpack(pack: Item) -> str:
    return cast(str, pack.get("name") or pack["url"])


def epoch(text: str) -> float:
    """An API time as epoch seconds."""
    return datetime.fromisoformat(text).timestamp()


async def latest_release(api: Api, path: str) -> dict[str, Any]:
    """The newest release, whatever its status."""
    return (await api.latest(f"{path}/releases", "version", 1))[0]


async def running(api: Api, path: str) -> tuple[Lock | None, str | None]:
    """Who is building or releasing right now, and the id of the build, if it is one."""
    builds, releases = await asyncio.gather(
        api.latest(f"{path}/builds", "created_at", 5), api.latest(f"{path}/releases", "version", 1)
    )
    build = next((build["id"] for build in builds if build["status"] == "pending"), None)
    return _lock(builds, releases), build
