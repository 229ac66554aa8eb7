"""What follows every change of what runs: dynos up on the newest release, health; and the gap that users meet."""

from __future__ import annotations

from collections.abc import Mapping

from chatops.model import App
from chatops.targets.heroku.config import SINGLE
from chatops.targets.heroku.plan.state import Formation, HerokuState
from chatops.targets.heroku.plan.steps import AwaitDynos, CheckHealth, HerokuStep

BOOT = 60.0
"""Seconds that the platform gives a dyno to listen (R10)."""
PROOF = 30.0
"""Seconds that an app whose dynos are up has to prove itself."""
PREBOOT = "preboot"
BESIDE = 240.0
"""Seconds that Preboot may keep the old dynos beside the new."""
UNHIDDEN = "Preboot is not on yet"
WEB = "web"


def settle(app: App, formation: Mapping[str, Formation], preboot: bool = False) -> tuple[HerokuStep, ...]:
    """Waits for the dynos, and for the app's health where web dynos run."""
    count = sum(wanted.quantity for wanted in formation.values())
    more = BESIDE if preboot else 0.0
    noun = "dyno is" if count == 1 else "dynos are"
    await_dynos = AwaitDynos(
        name="dynos", title=f"wait until {count} {noun} up on the new release", formation=formation, limit=BOOT * 2 + more
    )
    if not formation.get(WEB, Formation(0, "")).quantity:
        return (await_dynos,)
    title = f"check {app.health}: three good answers in a row from the new release"
    return (
        await_dynos,
        CheckHealth(name="health", title=title, path=app.health, seconds=PROOF + more, limit=2 * (PROOF + more) + 30),
    )


def gap(state: HerokuState, formation: Mapping[str, Formation], unhidden: str) -> tuple[str, ...]:
    """What it feels like that web dynos are replaced, where their size, or what `unhidden` says, lets it be felt."""
    web = formation.get(WEB)
    if web is None or not web.quantity or not state.workers:
        return ()
    if web.size in SINGLE:
        return (f"web runs on {web.size.title()}: users meet a gap {_length(state)}; Preboot closes it from standard-1x on",)
    return (f"{unhidden}: users meet a gap {_length(state)}",) if unhidden else ()


def _length(state: HerokuState) -> str:
    if state.boot_seconds is None:
        return f"as long as a dyno boots, often 5 to 20 s, at most {BOOT:.0f} s"
    return f"of about {max(1, round(state.boot_seconds))} s, as long as the last boot took"
