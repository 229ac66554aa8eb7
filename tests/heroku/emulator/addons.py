"""Add-ons: provisioned in the background, for Redis and PostgreSQL with a real server behind them."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

from tests.heroku.emulator import releases
from tests.heroku.emulator.catalog import CONFIG_VARS
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.errors import invalid
from tests.heroku.emulator.faults import FailAddOn
from tests.heroku.emulator.model import AddOn, App
from tests.heroku.emulator.stores import STORES, Server

__all__ = ["Server", "create", "end", "remove"]
SHAPES = ("rectangular", "spherical", "cubic", "shaped", "clean", "concave")


def create(cloud: Cloud, app: App, plan: str, name: str | None, attachment: str | None) -> AddOn:
    """Begins to provision; its config vars come with a release of their own when it is done. Raises Refused (422)."""
    service = plan.split(":")[0]
    variable = CONFIG_VARS.get(service, "")
    made = AddOn(
        name=name or f"{service.removeprefix('heroku-')}-{secrets.choice(SHAPES)}-{secrets.randbelow(90000) + 10000}",
        plan=plan, attachment=_attachment(app, attachment or variable.removesuffix("_URL") or service.upper()),
        message=f"{service} is being created in the background.",
    )  # fmt: skip
    if any(made.name == addon.name for other in cloud.apps.values() for addon in other.addons):
        raise invalid("Name is already taken")
    app.addons.append(made)
    app.log.api(f"Attach {made.attachment} (@ref:{made.name}) by user {cloud.account.email}")
    cloud.spawn(_provision(cloud, app, made))
    return made


async def remove(cloud: Cloud, app: App, addon: AddOn) -> None:
    """Detaches it, takes its config vars away, ends its server."""
    app.addons.remove(addon)
    await end(addon)
    addon.state = "deprovisioned"
    app.log.api(f"Detach {addon.attachment} (@ref:{addon.name}) by user {cloud.account.email}")
    gone: dict[str, str | None] = dict.fromkeys(addon.config, None)
    releases.set_config(cloud, app, gone, f"Detach {addon.attachment} (@ref:{addon.name})")


async def end(addon: AddOn) -> None:
    """Ends the server behind it."""
    if addon.server:
        server, addon.server = addon.server, None
        await asyncio.to_thread(server.close)


async def _provision(cloud: Cloud, app: App, addon: AddOn) -> None:
    await asyncio.sleep(cloud.limits.provision)
    if cloud.faults.take(FailAddOn):
        addon.state = "deprovisioned"
        addon.touch()
        return
    start = STORES.get(addon.service)
    if start:
        await _start(addon, start, cloud.folder / "addons" / addon.id)
    url = addon.server.url if addon.server else secrets.token_urlsafe(16)
    if addon not in app.addons:
        await end(addon)
        return
    variable = f"{addon.attachment}_URL" if start else CONFIG_VARS.get(addon.service, "")
    addon.config = {variable: url} if variable else {}
    addon.state, addon.message = "provisioned", ""
    addon.touch()
    app.log.api(f"@ref:{addon.name} completed provisioning, setting {', '.join(addon.config)}.")
    releases.set_config(cloud, app, dict(addon.config), f"Attach {addon.attachment} (@ref:{addon.name})")


async def _start(addon: AddOn, start: Callable[[Path], Server], folder: Path) -> None:
    """Starts the server; one that is on its way when the platform closes is ended too."""
    starting = asyncio.create_task(asyncio.to_thread(start, folder))
    try:
        addon.server = await asyncio.shield(starting)
    except asyncio.CancelledError:
        addon.server = await starting
        await end(addon)
        raise


def _attachment(app: App, wanted: str) -> str:
    """The wanted name, or one with a colour where it is taken."""
    taken = {addon.attachment for addon in app.addons}
    colours = ("BLUE", "GREEN", "ORANGE", "PURPLE", "WHITE")
    return next(name for name in (wanted, *(f"{wanted}_{colour}" for colour in colours)) if name not in taken)
