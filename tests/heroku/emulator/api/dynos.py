"""Dynos: listed, restarted, stopped, and one-off dynos."""

from typing import Any

from aiohttp import web

from tests.heroku.emulator import catalog, fleet, oneoff
from tests.heroku.emulator.api.apps import app_of
from tests.heroku.emulator.cloud import find
from tests.heroku.emulator.dyno import Dyno
from tests.heroku.emulator.errors import invalid, missing
from tests.heroku.emulator.model import App
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.web import body

routes = web.RouteTableDef()
LONGEST_LIFE = 86_400


@routes.get("/apps/{app}/dynos")
async def every(request: web.Request) -> Any:
    return Page(app_of(request)[1].dyno_list(), "name")


@routes.get("/apps/{app}/dynos/{dyno}")
async def info(request: web.Request) -> Any:
    return _dyno(request).answer()


@routes.post("/apps/{app}/dynos")
async def create(request: web.Request) -> Any:
    cloud, app = app_of(request)
    wanted = await body(request)
    if not wanted.get("command"):
        raise invalid("The command is required.")
    if app.current is None or app.current.slug is None:
        raise invalid("The app has no release to run.")
    size = catalog.size(wanted["size"]) if wanted.get("size") else _usual_size(app)
    type = wanted.get("type") or "run"
    dyno = Dyno(cloud, app, app.current, fleet.one_off_name(app, type), str(wanted["command"]), size)
    dyno.type = type
    dyno.env = {name: str(value) for name, value in (wanted.get("env") or {}).items()}
    seconds = min(int(wanted.get("time_to_live") or LONGEST_LIFE), LONGEST_LIFE)
    app.log.api(f"Starting process with command `{dyno.command}` by user {cloud.account.email}")
    tty = not wanted.get("force_no_tty")
    oneoff.start(cloud, app, dyno, oneoff.Manner(attach=bool(wanted.get("attach")), tty=tty, seconds=seconds))
    return 201, dyno.answer()


@routes.delete("/apps/{app}/dynos")
async def restart_all(request: web.Request) -> Any:
    cloud, app = app_of(request)
    fleet.restart(cloud, app)
    return 202, {}


@routes.delete("/apps/{app}/dynos/{dyno}")
async def restart(request: web.Request) -> Any:
    cloud, app = app_of(request)
    dyno = _dyno(request)
    if dyno.type in app.formation:
        fleet.restart(cloud, app, name=dyno.name)
    else:
        fleet.retire(cloud, app, dyno)
    return 202, {}


@routes.delete("/apps/{app}/formations/{type}")
async def restart_type(request: web.Request) -> Any:
    cloud, app = app_of(request)
    fleet.restart(cloud, app, type=_type(request, app))
    return 202, {}


@routes.post("/apps/{app}/dynos/{dyno}/actions/stop")
async def stop(request: web.Request) -> Any:
    """A one-off dyno ends; one of the formation is replaced."""
    return await restart(request)


@routes.post("/apps/{app}/formations/{type}/actions/stop")
async def stop_type(request: web.Request) -> Any:
    return await restart_type(request)


def _dyno(request: web.Request) -> Dyno:
    _, app = app_of(request)
    found: Dyno = find(list(app.dynos.values()), request.match_info["dyno"], "dyno", "name")
    return found


def _type(request: web.Request, app: App) -> str:
    type = request.match_info["type"]
    if type not in app.formation:
        raise missing("process type")
    return type


def _usual_size(app: App) -> catalog.Size:
    return next((each.size for each in app.formation.values()), catalog.size("Basic"))
