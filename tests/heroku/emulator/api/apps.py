"""Apps: created, shown, changed, deleted; collaborators and certificate management."""

import re
import secrets
from typing import Any

from aiohttp import web

from tests.heroku.emulator import answers, catalog, lifecycle
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.errors import invalid, missing
from tests.heroku.emulator.model import App
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.web import CLOUD, body

routes = web.RouteTableDef()
NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]\Z")


def app_of(request: web.Request) -> tuple[Cloud, App]:
    """The platform and the app that the path names. Raises Refused."""
    cloud = request.app[CLOUD]
    return cloud, cloud.app(request.match_info["app"])


def shown(cloud: Cloud, app: App) -> dict[str, Any]:
    return answers.app(app, cloud.account)


@routes.post("/apps")
async def create(request: web.Request) -> Any:
    cloud, wanted = request.app[CLOUD], await body(request)
    cloud.demand_verified("create an app")
    name = wanted.get("name") or f"still-river-{secrets.randbelow(90000) + 10000}"
    _demand_good_name(cloud, name)
    region = catalog.region(_name(wanted.get("region")) or "us")["name"]
    stack = catalog.stack(_name(wanted.get("stack")))
    app = await lifecycle.create(cloud, name, region, stack.name)
    return 201, shown(cloud, app)


@routes.get("/apps")
@routes.get("/users/~/apps")
async def every(request: web.Request) -> Any:
    cloud = request.app[CLOUD]
    return Page([shown(cloud, app) for app in cloud.apps.values()], "name")


@routes.get("/apps/{app}")
async def info(request: web.Request) -> Any:
    return shown(*app_of(request))


@routes.patch("/apps/{app}")
async def change(request: web.Request) -> Any:
    cloud, app = app_of(request)
    wanted = await body(request)
    if "name" in wanted and wanted["name"] != app.name:
        _demand_good_name(cloud, wanted["name"])
        cloud.apps[wanted["name"]] = cloud.apps.pop(app.name)
        app.name = wanted["name"]
    if "build_stack" in wanted:
        app.build_stack = catalog.stack(_name(wanted["build_stack"])).name
    if "maintenance" in wanted:
        app.maintenance = bool(wanted["maintenance"])
    app.touch()
    return shown(cloud, app)


@routes.delete("/apps/{app}")
async def delete(request: web.Request) -> Any:
    cloud, app = app_of(request)
    answer = shown(cloud, app)
    await lifecycle.remove(cloud, app)
    return answer


@routes.get("/apps/{app}/collaborators")
async def collaborators(request: web.Request) -> Any:
    cloud, app = app_of(request)
    owner = answers.user(cloud.account) | {"federated": False}
    return [answers.times(app) | {"app": answers.brief(app), "permissions": [], "role": "owner", "user": owner}]


@routes.get("/apps/{app}/pipeline-couplings")
async def pipeline(request: web.Request) -> Any:
    app_of(request)
    raise missing("pipeline coupling")


@routes.get("/apps/{app}/available-stacks")
async def available_stacks(request: web.Request) -> Any:
    app_of(request)
    return Page([stack.answer() for stack in catalog.STACKS if stack.state != "end-of-life"], "name")


def _demand_good_name(cloud: Cloud, name: str) -> None:
    if not isinstance(name, str) or not NAME.match(name):
        rule = "must start with a letter, end with a letter or digit and can only contain lowercase letters, digits, and dashes"
        raise invalid(f"Name {rule}.")
    cloud.demand_name(name)


def _name(value: Any) -> str | None:
    """A name as it is, or inside an object with `name` or `id`."""
    return (value.get("name") or value.get("id")) if isinstance(value, dict) else value
