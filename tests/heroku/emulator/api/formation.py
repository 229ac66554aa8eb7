"""How many dynos of which size."""

from typing import Any

from aiohttp import web

from tests.heroku.emulator import answers, catalog, fleet
from tests.heroku.emulator.api.apps import app_of
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.errors import Refused, invalid
from tests.heroku.emulator.model import App, Formation
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.web import body

routes = web.RouteTableDef()
Wanted = tuple[Formation, int, catalog.Size]


@routes.get("/apps/{app}/formation")
async def every(request: web.Request) -> Any:
    _, app = app_of(request)
    return Page([answers.formation(each, app) for each in app.formation.values()], "type")


@routes.get("/apps/{app}/formation/{type}")
async def info(request: web.Request) -> Any:
    _, app = app_of(request)
    return answers.formation(_known(app, request.match_info["type"]), app)


@routes.patch("/apps/{app}/formation")
async def change_many(request: web.Request) -> Any:
    cloud, app = app_of(request)
    updates = (await body(request)).get("updates") or []
    wanted = [_wanted(app, str(update.get("type")), update) for update in updates]
    _apply(cloud, app, wanted)
    return [answers.formation(formation, app) for formation, _, _ in wanted]


@routes.patch("/apps/{app}/formation/{type}")
async def change(request: web.Request) -> Any:
    cloud, app = app_of(request)
    wanted = _wanted(app, request.match_info["type"], await body(request))
    _apply(cloud, app, [wanted])
    return answers.formation(wanted[0], app)


def _known(app: App, type: str) -> Formation:
    for formation in app.formation.values():
        if type in (formation.type, formation.id):
            return formation
    raise Refused(404, message=f"Couldn't find that process type ({type}).", resource="formation")


def _wanted(app: App, type: str, update: dict[str, Any]) -> Wanted:
    formation = _known(app, type)
    size = update.get("dyno_size") or update.get("size")
    name = (size.get("name") or size.get("id")) if isinstance(size, dict) else size
    return formation, _quantity(formation.quantity, update.get("quantity")), catalog.size(name) if name else formation.size


def _quantity(now: int, wanted: Any) -> int:
    """A number, or text such as `2`, `+1`, `-1`. Raises Refused (422)."""
    if wanted is None:
        return now
    text = str(wanted)
    try:
        quantity = now + int(text) if isinstance(wanted, str) and text[:1] in {"+", "-"} else int(text)
    except ValueError:
        raise invalid(f"Quantity {text} is not a number.") from None
    if quantity < 0:
        raise invalid("Quantity must be at least 0.")
    return quantity


def _apply(cloud: Cloud, app: App, wanted: list[Wanted]) -> None:
    _demand_allowed(app, wanted)
    for formation, quantity, size in wanted:
        if (formation.quantity, formation.size) != (quantity, size):
            app.log.api(f"Scaled to {formation.type}@{quantity}:{size.name} by user {cloud.account.email}")
        formation.quantity, formation.size = quantity, size
        formation.touch()
    fleet.scale(cloud, app)


def _demand_allowed(app: App, wanted: list[Wanted]) -> None:
    """Eco and Basic allow one dyno a type, and sizes of different families don't mix."""
    after = {each.type: (each.quantity, each.size) for each in app.formation.values()}
    after |= {formation.type: (quantity, size) for formation, quantity, size in wanted}
    for quantity, size in after.values():
        if size.most and quantity > size.most:
            raise invalid(f"Cannot update to more than {size.most} {size.name} size dynos per process type.")
    if len({size.family for quantity, size in after.values() if quantity}) > 1:
        raise invalid("Cannot mix Eco or Basic dynos with Standard or Performance dynos in one app.")
