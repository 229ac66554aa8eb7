"""Add-ons, their plans, attachments and config."""

from typing import Any

from aiohttp import web

from tests.heroku.emulator import addons, answers, catalog
from tests.heroku.emulator.api.apps import app_of
from tests.heroku.emulator.cloud import Cloud, find
from tests.heroku.emulator.errors import invalid, missing
from tests.heroku.emulator.model import AddOn, App
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.web import CLOUD, body

routes = web.RouteTableDef()


@routes.post("/apps/{app}/addons")
async def create(request: web.Request) -> Any:
    cloud, app = app_of(request)
    wanted = await body(request)
    entry = wanted.get("plan")
    name = (entry.get("name") or entry.get("id")) if isinstance(entry, dict) else entry
    if not name:
        raise invalid("The plan is required.")
    plan, _ = catalog.plan(str(name))
    cloud.demand_verified("install this add-on plan")
    attachment = (wanted.get("attachment") or {}).get("name")
    made = addons.create(cloud, app, plan, wanted.get("name"), attachment)
    return 201, _shown(request, made, app)


@routes.get("/addons")
@routes.get("/users/~/addons")
async def everywhere(request: web.Request) -> Any:
    return Page([_shown(request, addon, app) for addon, app in _all(request.app[CLOUD])], "name")


@routes.get("/apps/{app}/addons")
async def every(request: web.Request) -> Any:
    _, app = app_of(request)
    return Page([_shown(request, addon, app) for addon in app.addons], "name")


@routes.get("/addons/{addon}")
async def anywhere(request: web.Request) -> Any:
    return _shown(request, *_find(request.app[CLOUD], request.match_info["addon"]))


@routes.get("/apps/{app}/addons/{addon}")
async def info(request: web.Request) -> Any:
    _, app = app_of(request)
    return _shown(request, _of(app, request), app)


@routes.patch("/apps/{app}/addons/{addon}")
async def change(request: web.Request) -> Any:
    _, app = app_of(request)
    addon = _of(app, request)
    plan = (await body(request)).get("plan")
    name, _ = catalog.plan(str(plan.get("name") if isinstance(plan, dict) else plan))
    if not name.startswith(addon.service):
        raise invalid("An add-on can't change its service.")
    addon.plan = name
    addon.touch()
    return _shown(request, addon, app)


@routes.delete("/apps/{app}/addons/{addon}")
async def delete(request: web.Request) -> Any:
    cloud, app = app_of(request)
    addon = _of(app, request)
    await addons.remove(cloud, app, addon)
    return _shown(request, addon, app)


@routes.get("/addons/{addon}/config")
async def config(request: web.Request) -> Any:
    addon, _ = _find(request.app[CLOUD], request.match_info["addon"])
    return [{"name": name, "value": value} for name, value in addon.config.items()]


@routes.get("/addon-attachments")
async def attachments_everywhere(request: web.Request) -> Any:
    return Page([answers.attachment(addon, app) for addon, app in _all(request.app[CLOUD])], "name")


@routes.get("/apps/{app}/addon-attachments")
async def attachments(request: web.Request) -> Any:
    _, app = app_of(request)
    return Page([answers.attachment(addon, app) for addon in app.addons], "name")


@routes.get("/addons/{addon}/addon-attachments")
async def attachments_of(request: web.Request) -> Any:
    return [answers.attachment(*_find(request.app[CLOUD], request.match_info["addon"]))]


@routes.post("/actions/addons/resolve")
async def resolve(request: web.Request) -> Any:
    return [_shown(request, addon, app) for addon, app in await _resolved(request, "addon")]


@routes.post("/actions/addon-attachments/resolve")
async def resolve_attachment(request: web.Request) -> Any:
    return [answers.attachment(addon, app) for addon, app in await _resolved(request, "addon_attachment")]


@routes.get("/plans/{plan}")
@routes.get("/addon-services/{service}/plans/{plan}")
async def plan(request: web.Request) -> Any:
    return answers.plan(catalog.plan(request.match_info["plan"])[0])


@routes.get("/addon-services/{service}/plans")
async def plans(request: web.Request) -> Any:
    service = request.match_info["service"]
    return [answers.plan(name) for name in catalog.PLANS if name.split(":")[0] == service]


def _shown(request: web.Request, addon: AddOn, app: App) -> dict[str, Any]:
    answer = answers.addon(addon, app)
    if "plan" in request.headers.get("Accept-Expansion", ""):
        answer["plan"] = answers.plan(addon.plan)
    return answer


def _all(cloud: Cloud) -> list[tuple[AddOn, App]]:
    return [(addon, app) for app in cloud.apps.values() for addon in app.addons]


def _find(cloud: Cloud, identity: str) -> tuple[AddOn, App]:
    for addon, app in _all(cloud):
        if identity in (addon.id, addon.name):
            return addon, app
    raise missing("add-on")


def _of(app: App, request: web.Request) -> AddOn:
    found: AddOn = find(app.addons, request.match_info["addon"], "add-on", "name")
    return found


async def _resolved(request: web.Request, key: str) -> list[tuple[AddOn, App]]:
    """By add-on name, attachment name, `APP::NAME`, service or plan, as people type them."""
    cloud, wanted = request.app[CLOUD], await body(request)
    name, home = str(wanted.get(key)), wanted.get("app")
    if "::" in name:
        home, name = name.split("::", 1)
    found = [
        (addon, app) for addon, app in _all(cloud)
        if (home is None or home in (app.name, app.id))
        and name in (addon.id, addon.name, addon.attachment, addon.attachment_id, addon.service, addon.plan)
    ]  # fmt: skip
    if not found:
        raise missing(key.replace("_", "-").replace("addon", "add-on"))
    return found
