"""Apps are born and die: their first releases, their router port, and everything that ends with them."""

from tests.heroku.emulator import addons, fleet, releases, router
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.logplex import Channel
from tests.heroku.emulator.model import App, Domain


async def create(cloud: Cloud, name: str, region: str, stack: str) -> App:
    """An empty app: two releases, its default domain, a port for its visitors."""
    app = App(name=name, region=region, stack=stack, build_stack=stack, log=Channel(cloud.limits))
    cloud.apps[name] = app
    app.domains.append(Domain(hostname=app.host, kind="heroku", status="none"))
    await router.open_port(cloud, app)
    releases.make(cloud, app, "Initial release")
    releases.make(cloud, app, "Enable Logplex")
    return app


async def remove(cloud: Cloud, app: App) -> None:
    """Deletes an app: builds, dynos, add-ons, drains and log readers end with it."""
    cloud.apps.pop(app.name, None)
    app.current = None
    for build in app.builds:
        if build.work:
            build.work.cancel()
    await fleet.end_all(app)
    for addon in list(app.addons):
        await addons.end(addon)
    app.addons.clear()
    for drain in app.drains:
        if drain.work:
            drain.work.cancel()
    app.log.close_tails()
    await router.close_port(cloud, app)
