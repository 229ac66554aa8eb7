"""Config vars."""

from typing import Any

from aiohttp import web

from tests.heroku.emulator import releases
from tests.heroku.emulator.api.apps import app_of
from tests.heroku.emulator.errors import invalid
from tests.heroku.emulator.web import body

routes = web.RouteTableDef()
LARGEST_BYTES = 64 * 1024


@routes.get("/apps/{app}/config-vars")
async def show(request: web.Request) -> Any:
    return app_of(request)[1].config


@routes.get("/apps/{app}/releases/{release}/config-vars")
async def of_release(request: web.Request) -> Any:
    return releases.by_identity(app_of(request)[1], request.match_info["release"]).config


@routes.patch("/apps/{app}/config-vars")
async def change(request: web.Request) -> Any:
    cloud, app = app_of(request)
    changes = {name: _value(name, value) for name, value in (await body(request)).items()}
    total = sum(len(name) + len(value or "") for name, value in (app.config | changes).items())
    if total > LARGEST_BYTES:
        raise invalid("Config vars can't be larger than 64KB in total.")
    releases.set_config(cloud, app, changes)
    return app.config


def _value(name: str, value: Any) -> str | None:
    if not name or not all(character.isalnum() or character == "_" for character in name):
        raise invalid(f"{name} is not a valid config var key.")
    return None if value is None else str(value)
