"""Sources, builds, slugs, buildpacks."""

import re
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from tests.heroku.emulator import answers, builder, catalog
from tests.heroku.emulator.api.apps import app_of
from tests.heroku.emulator.cloud import Cloud, find
from tests.heroku.emulator.errors import invalid
from tests.heroku.emulator.model import App, Build
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.uploads import UPLOADS
from tests.heroku.emulator.web import CLOUD, body

routes = web.RouteTableDef()
REGISTERED = "https://buildpack-registry.s3.amazonaws.com/buildpacks/{}.tgz"
OFFICIAL = re.compile(
    r"(?:urn:buildpack:|https://buildpack-registry\.s3\.amazonaws\.com/buildpacks/)(?P<name>[\w/-]+)(?:\.tgz)?\Z"
)
CHECKSUM = re.compile(r"SHA256:[0-9a-fA-F]{64}\Z")


@routes.post("/sources")
@routes.post("/apps/{app}/sources")
async def source(request: web.Request) -> Any:
    if "app" in request.match_info:
        app_of(request)
    upload = request.app[UPLOADS].make()
    return 201, {"source_blob": upload.urls(request.app[CLOUD].base_url)}


@routes.post("/apps/{app}/builds")
async def create(request: web.Request) -> Any:
    cloud, app = app_of(request)
    wanted = await body(request)
    blob = _source(cloud, wanted)
    stack = catalog.stack(app.build_stack or app.stack)
    app.buildpacks = [_buildpack(each) for each in wanted.get("buildpacks") or []] or app.buildpacks
    build = Build(source=blob, stack=stack.name, output=cloud.output("build"), buildpacks=list(app.buildpacks))
    app.builds.append(build)
    build.output.write("")
    build.work = cloud.spawn(builder.run(cloud, app, build))
    return 201, _shown(cloud, app, build)


@routes.get("/apps/{app}/builds")
async def every(request: web.Request) -> Any:
    cloud, app = app_of(request)
    return Page([_shown(cloud, app, build) for build in app.builds], "created_at")


@routes.get("/apps/{app}/builds/{build}")
async def info(request: web.Request) -> Any:
    cloud, app = app_of(request)
    return _shown(cloud, app, find(app.builds, request.match_info["build"], "build"))


@routes.delete("/apps/{app}/builds/{build}")
async def cancel(request: web.Request) -> Any:
    cloud, app = app_of(request)
    build = find(app.builds, request.match_info["build"], "build")
    if build.work and not build.work.done():
        build.work.cancel()
        builder.finish(build, "failed")
    return _shown(cloud, app, build)


@routes.delete("/apps/{app}/build-cache")
async def forget_cache(request: web.Request) -> Any:
    app_of(request)
    return {}


@routes.get("/apps/{app}/slugs/{slug}")
async def slug(request: web.Request) -> Any:
    _, app = app_of(request)
    return answers.slug(find(app.slugs, request.match_info["slug"], "slug"))


@routes.get("/apps/{app}/buildpack-installations")
async def buildpacks(request: web.Request) -> Any:
    return _installations(app_of(request)[1])


@routes.put("/apps/{app}/buildpack-installations")
async def set_buildpacks(request: web.Request) -> Any:
    _, app = app_of(request)
    app.buildpacks = [_buildpack(update.get("buildpack")) for update in (await body(request)).get("updates", [])]
    return _installations(app)


@routes.get("/buildpacks/{name}")
async def registry(request: web.Request) -> web.Response:
    """The buildpack registry, which the CLI asks, without a token, for the address of a short name."""
    name = request.match_info["name"]
    if name != "heroku/nodejs":
        return web.json_response({"id": "not_found", "message": "Couldn't find that buildpack."}, status=404)
    return web.json_response({"name": name, "blob_url": REGISTERED.format(name)})


def _shown(cloud: Cloud, app: App, build: Build) -> dict[str, Any]:
    return answers.build(build, app, cloud.account, cloud.base_url)


def _installations(app: App) -> list[dict[str, Any]]:
    return [answers.installation(name, ordinal) for ordinal, name in enumerate(app.buildpacks)]


def _source(cloud: Cloud, wanted: dict[str, Any]) -> dict[str, str | None]:
    blob = wanted.get("source_blob")
    if not isinstance(blob, dict) or not blob.get("url"):
        raise invalid("The source_blob.url is required.")
    url = str(blob["url"])
    if urlsplit(url).scheme != "https" and not url.startswith(cloud.base_url):
        raise invalid("The source_blob.url must be an https URL.")
    checksum = blob.get("checksum")
    if checksum and not CHECKSUM.match(checksum):
        raise invalid("The source_blob.checksum must be like SHA256:hex.")
    known = ("checksum", "url", "version", "version_description")
    return {name: blob.get(name) for name in known}


def _buildpack(entry: Any) -> str:
    """A name or URL from any of the shapes clients send. Raises Refused (422)."""
    name = (entry.get("url") or entry.get("name")) if isinstance(entry, dict) else entry
    if not name:
        raise invalid("A buildpack needs a url or a name.")
    return OFFICIAL.sub(r"\g<name>", str(name))
