"""The dynos of an app: started, replaced, scaled, restarted after a crash; which of them may get a request."""

import asyncio
import secrets

from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.dyno import Dyno
from tests.heroku.emulator.model import App, Formation


def one_off_name(app: App, type: str) -> str:
    """A free name such as `run.4711`."""
    while (name := f"{type}.{secrets.randbelow(9000) + 1000}") in app.dynos:
        pass
    return name


def web_dynos(app: App) -> list[Dyno]:
    return [dyno for dyno in app.dynos.values() if dyno.type == "web"]


async def replace_all(cloud: Cloud, app: App) -> None:
    """Puts every dyno of the formation onto the current release."""
    types = set(app.formation)
    gone = [dyno for dyno in app.dynos.values() if dyno.type not in types | {"run", "release"}]
    for dyno in gone:
        retire(cloud, app, dyno)
    for formation in list(app.formation.values()):
        if formation.type == "web" and _preboots(app, formation):
            await _preboot(cloud, app, formation)
        else:
            restart(cloud, app, formation.type)


def restart(cloud: Cloud, app: App, type: str | None = None, name: str | None = None) -> None:
    """New dynos for old ones, at the same moment, as without preboot."""
    for formation in app.formation.values():
        for slot in _slots(formation):
            if type in (None, formation.type) and name in (None, slot):
                old = app.dynos.pop(slot, None)
                if old:
                    _say_restart(app, old)
                launch(cloud, app, formation, slot)
                if old:
                    cloud.spawn(old.stop())


def _say_restart(app: App, old: Dyno) -> None:
    """A slot's log tells of one dyno: where the old one is, the new one begins."""
    app.log.heroku(old.name, "Restarting")
    app.log.heroku(old.name, f"State changed from {old.state} to starting")
    old.replaced = True


def scale(cloud: Cloud, app: App) -> None:
    """Starts and stops dynos until there are as many as the formation says."""
    for formation in app.formation.values():
        slots = _slots(formation)
        for slot in slots:
            dyno = app.dynos.get(slot)
            if dyno and dyno.size is not formation.size:
                restart(cloud, app, name=slot)
            elif dyno is None:
                launch(cloud, app, formation, slot)
        for dyno in [dyno for dyno in app.dynos.values() if dyno.type == formation.type and dyno.name not in slots]:
            retire(cloud, app, dyno)


def launch(cloud: Cloud, app: App, formation: Formation, slot: str, crashes: int = 0) -> Dyno:
    """Starts the dyno of a slot, and looks after it until it is replaced."""
    dyno = _new(cloud, app, formation, slot)
    dyno.crashes = crashes
    app.dynos[slot] = dyno
    cloud.spawn(_look_after(cloud, app, formation, dyno))
    return dyno


def retire(cloud: Cloud, app: App, dyno: Dyno) -> None:
    """Takes a dyno out of the app; it ends in its own time."""
    app.dynos.pop(dyno.name, None)
    dyno.become("down")
    cloud.spawn(dyno.stop())


async def end_all(app: App) -> None:
    """Ends every dyno at once, for an app that is deleted."""
    for dyno in app.dynos.values():
        dyno.stopping = True
        dyno.kill()
    app.dynos.clear()


def _slots(formation: Formation) -> list[str]:
    return [f"{formation.type}.{number + 1}" for number in range(formation.quantity)]


def _new(cloud: Cloud, app: App, formation: Formation, slot: str) -> Dyno:
    assert app.current is not None
    return Dyno(cloud, app, app.current, slot, formation.command, formation.size)


def _preboots(app: App, formation: Formation) -> bool:
    running = any(dyno.state == "up" for dyno in web_dynos(app))
    return "preboot" in app.features and formation.size.family == "professional" and running


async def _preboot(cloud: Cloud, app: App, formation: Formation) -> None:
    """New dynos first; the old ones get requests until the new ones have been up for the preboot time."""
    fresh = [_new(cloud, app, formation, slot) for slot in _slots(formation)]
    for dyno in fresh:
        cloud.spawn(_look_after(cloud, app, formation, dyno))
    if await _all_up(fresh, cloud.limits.boot):
        await asyncio.sleep(cloud.limits.preboot)
    if fresh and app.current is not fresh[0].release:
        for dyno in fresh:
            cloud.spawn(dyno.stop())
        return
    for dyno in fresh:
        old = app.dynos.pop(dyno.name, None)
        app.dynos[dyno.name] = dyno
        if old:
            old.replaced = True
            cloud.spawn(old.stop())


async def _all_up(dynos: list[Dyno], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            for dyno in dynos:
                while dyno.state == "starting":
                    await dyno.changed.wait()
    except TimeoutError:
        return False
    return all(dyno.state == "up" for dyno in dynos)


async def _look_after(cloud: Cloud, app: App, formation: Formation, dyno: Dyno) -> None:
    await dyno.start()
    if dyno.type == "web":
        cloud.spawn(_boot(dyno))
    await dyno.wait()
    if dyno.stopping:
        dyno.become("down")
        return
    dyno.become("crashed")
    await _revive(cloud, app, formation, dyno)


async def _boot(dyno: Dyno) -> None:
    await dyno.boot()


async def _revive(cloud: Cloud, app: App, formation: Formation, dyno: Dyno) -> None:
    """The first crash restarts at once; every further one waits twice as long as the one before."""
    if dyno.crashes:
        await asyncio.sleep(cloud.limits.crash_cooldown * 2 ** (dyno.crashes - 1))
    if app.dynos.get(dyno.name) is dyno and not dyno.stopping:
        app.log.heroku(dyno.name, "State changed from crashed to starting")
        launch(cloud, app, formation, dyno.name, dyno.crashes + 1)
