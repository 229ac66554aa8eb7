"""The API's endpoints, one file a topic."""

from aiohttp import web

from tests.heroku.emulator.api import account, addons, apps, builds, config, domains, dynos, features, formation, logs, releases

AREAS = (account, addons, apps, builds, config, domains, dynos, features, formation, logs, releases)


def add_to(application: web.Application) -> None:
    """Adds every endpoint."""
    for area in AREAS:
        application.add_routes(area.routes)
