"""Releases and rollback, and the streams of builds and release phases."""

from typing import Any

from aiohttp import web

from tests.heroku.emulator import answers, releases, streams
from tests.heroku.emulator.api.apps import app_of
from tests.heroku.emulator.cloud import Cloud, find
from tests.heroku.emulator.errors import invalid
from tests.heroku.emulator.faults import Cut
from tests.heroku.emulator.model import App, Release
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.web import CLOUD, body

routes = web.RouteTableDef()


@routes.get("/apps/{app}/releases")
async def every(request: web.Request) -> Any:
    cloud, app = app_of(request)
    return Page([_shown(cloud, app, release) for release in app.releases], "version")


@routes.get("/apps/{app}/releases/{release}")
async def info(request: web.Request) -> Any:
    cloud, app = app_of(request)
    return _shown(cloud, app, releases.by_identity(app, request.match_info["release"]))


@routes.post("/apps/{app}/releases")
async def create(request: web.Request) -> Any:
    """A rollback with `release`, a release of another slug with `slug`."""
    cloud, app = app_of(request)
    wanted = await body(request)
    if "release" in wanted:
        made = releases.rollback(cloud, app, releases.by_identity(app, str(wanted["release"])))
    elif "slug" in wanted:
        slug = find(app.slugs, wanted["slug"], "slug")
        made = releases.make(cloud, app, wanted.get("description") or f"Deploy {(slug.commit or slug.id)[:8]}", slug)
    else:
        raise invalid("Either release or slug is required.")
    return 201, _shown(cloud, app, made)


@routes.get("/streams/{id}")
async def stream(request: web.Request) -> web.StreamResponse:
    cloud = request.app[CLOUD]
    output = cloud.outputs.get(request.match_info["id"])
    if output is None:
        return web.Response(status=404, text="Channel is not registered.\n")
    cut = cloud.faults.take(Cut, stream=output.kind)
    return await streams.serve(request, output, cloud.limits.stream_keep_alive, cut)


def _shown(cloud: Cloud, app: App, release: Release) -> dict[str, Any]:
    return answers.release(release, app, cloud.account, cloud.base_url)
