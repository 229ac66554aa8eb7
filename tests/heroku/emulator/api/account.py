"""The account, its limits, and what the platform offers: stacks, regions, dyno sizes."""

from typing import Any

from aiohttp import web

from tests.heroku.emulator import answers, catalog, schema
from tests.heroku.emulator.errors import missing
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.web import CLOUD, FRONT

routes = web.RouteTableDef()


@routes.get("/account")
@routes.get("/users/~")
async def account(request: web.Request) -> Any:
    return answers.account(request.app[CLOUD].account)


@routes.get("/account/rate-limits")
async def rate_limits(request: web.Request) -> Any:
    return {"remaining": int(request.app[FRONT].tokens)}


@routes.get("/account/features/{name}")
async def account_feature(request: web.Request) -> Any:
    raise missing("feature")


@routes.get("/stacks")
async def stacks(request: web.Request) -> Any:
    return Page([stack.answer() for stack in catalog.STACKS], "name")


@routes.get("/stacks/{name}")
async def stack(request: web.Request) -> Any:
    return _named(catalog.STACKS, request, "stack").answer()


@routes.get("/regions")
async def regions(request: web.Request) -> Any:
    return Page([catalog.region(name) for name in catalog.REGIONS], "name")


@routes.get("/regions/{name}")
async def region(request: web.Request) -> Any:
    return catalog.region(request.match_info["name"])


@routes.get("/dyno-sizes")
async def dyno_sizes(request: web.Request) -> Any:
    return Page([size.answer() for size in catalog.SIZES], "name")


@routes.get("/dyno-sizes/{name}")
async def dyno_size(request: web.Request) -> Any:
    return _named(catalog.SIZES, request, "dyno size").answer()


@routes.get("/schema")
async def schema_document(request: web.Request) -> Any:
    known = schema.load("3")
    if known is None:
        raise missing("schema")
    return known.document


def _named(entries: Any, request: web.Request, what: str) -> Any:
    name = request.match_info["name"].lower()
    for entry in entries:
        if name in (entry.name.lower(), catalog.lasting_id(entry.name)):
            return entry
    raise missing(what)
