"""App features (labs and general ones)."""

from typing import Any

from aiohttp import web

from tests.heroku.emulator import answers, catalog
from tests.heroku.emulator.api.apps import app_of
from tests.heroku.emulator.clock import stamp
from tests.heroku.emulator.errors import invalid, missing
from tests.heroku.emulator.model import App
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.web import body

routes = web.RouteTableDef()


@routes.get("/apps/{app}/features")
async def every(request: web.Request) -> Any:
    _, app = app_of(request)
    return Page([answers.feature(name, app.features.get(name)) for name in catalog.FEATURES], "name")


@routes.get("/apps/{app}/features/{feature}")
async def info(request: web.Request) -> Any:
    _, app = app_of(request)
    name = _name(request)
    return answers.feature(name, app.features.get(name))


@routes.patch("/apps/{app}/features/{feature}")
async def change(request: web.Request) -> Any:
    _, app = app_of(request)
    name = _name(request)
    if (await body(request)).get("enabled"):
        _demand_allowed(app, name)
        app.features[name] = stamp()
    else:
        app.features.pop(name, None)
    return answers.feature(name, app.features.get(name))


def _name(request: web.Request) -> str:
    wanted = request.match_info["feature"]
    for name in catalog.FEATURES:
        if wanted in (name, catalog.lasting_id(name)):
            return name
    raise missing("feature")


def _demand_allowed(app: App, name: str) -> None:
    web_type = app.formation.get("web")
    if name == "preboot" and (web_type is None or web_type.size.family != "professional"):
        raise invalid("Preboot is only available for apps with Standard or Performance dynos.")
