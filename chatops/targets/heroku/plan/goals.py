"""The plan for any goal. Deploy has a file of its own."""

from __future__ import annotations

from collections.abc import Iterator

from chatops.errors import ConfigError
from chatops.frozen import frozen
from chatops.goals import Deploy, Goal, Phase, Plan, Remove, Restart, Rollback, Scale
from chatops.model import App
from chatops.targets.heroku.config import SINGLE, Block
from chatops.targets.heroku.plan import deploy
from chatops.targets.heroku.plan.settle import PREBOOT, UNHIDDEN, gap, settle
from chatops.targets.heroku.plan.state import MARK, AppFacts, Formation, HerokuState
from chatops.targets.heroku.plan.steps import Claim, DeleteApp, HerokuStep, RestartDyno, ReturnTo, SetFormation

WEB = "web"


@frozen
class Wish:
    """What the file says about the app and its place."""

    app: App
    block: Block


def plan(wish: Wish, state: HerokuState, goal: Goal) -> Plan:
    """Raises ConfigError where the goal can't be reached from here."""
    if state.app:
        _allow(state.app, wish)
    if isinstance(goal, Deploy):
        return deploy.plan(wish.app, wish.block, state, goal)
    if isinstance(goal, Remove):
        return _remove(state, goal)
    if isinstance(goal, Rollback):
        return _rollback(wish, state, goal)
    if state.app is None or state.release is None:
        raise ConfigError("nothing is deployed there yet", "`chatops deploy` comes first")
    return _scale(wish, state, goal) if isinstance(goal, Scale) else _restart(wish, state, goal)


def join(wish: Wish, build: str | None) -> Phase:
    """What is left to follow of a deploy that runs: its build, or only its release phase."""
    return deploy.join(wish.app, wish.block, build)


def _allow(app: AppFacts, wish: Wish) -> None:
    """Never touches an app that is not ours, nor one on a platform that works otherwise."""
    if not app.ours:
        raise ConfigError(
            f"the app `{app.name}` ({app.owner}) exists and was not made by chatops for `{wish.app.name}`",
            f"choose another `app`, or hand it over by setting its config var {MARK}={wish.app.name}",
        )
    if app.generation != "cedar":
        raise ConfigError(f"`{app.name}` runs on the {app.generation} generation", "only Cedar apps are supported")


def _scale(wish: Wish, state: HerokuState, goal: Scale) -> Plan:
    there = state.formation.get(WEB)
    wanted_size = wish.block.dynos[WEB].size if WEB in wish.block.dynos else "basic"
    size = there.size if there else wanted_size
    if goal.workers > 1 and size in SINGLE:
        hint = "set `dynos.web.size: standard-1x` or larger and deploy"
        raise ConfigError(f"web runs on {size.title()}, which allows one dyno", hint)
    if (there.quantity if there else 0) == goal.workers:
        return Plan(goal, (), _current(state))
    wanted = {WEB: Formation(goal.workers, size)}
    title = f"scale web from {there.quantity if there else 0} to {goal.workers} x {size.title()}"
    step = SetFormation(name="formation", title=title, formation=wanted)
    return Plan(goal, _phases(("switch", (_claim(), step)), ("settle", settle(wish.app, wanted))), _current(state))


def _restart(wish: Wish, state: HerokuState, goal: Restart) -> Plan:
    """One dyno after the other: with several, somebody always serves."""
    steps = (
        RestartDyno(name=f"restart_{worker.name}", title=f"restart {worker.name} and wait until it is up", dyno=worker.name)
        for worker in state.workers
    )
    notices = gap(state, state.formation, "there is one web dyno only") if len(state.workers) == 1 else ()
    web = {name: there for name, there in state.formation.items() if name == WEB}
    phases = _phases(("switch", (_claim(), *steps)), ("settle", settle(wish.app, web)))
    return Plan(goal, phases, _current(state), notices)


def _rollback(wish: Wish, state: HerokuState, goal: Rollback) -> Plan:
    if state.app is None:
        return Plan(goal)
    if state.left_building:
        return Plan(goal, (), _current(state), ("the build goes on; `chatops attach` joins it",))
    if goal.to is None:
        return Plan(goal, _phases(("settle", tuple(_stop(state)))))
    if goal.to == _current(state):
        return Plan(goal, (), goal.to)
    uuid = _kept(state, goal.to)
    step = ReturnTo(
        name="rollback", title=f"make a release with the code and config vars of {goal.to}", release=goal.to, uuid=uuid
    )
    notice = "add-ons and what they hold are not rolled back"
    phases = _phases(("switch", (step,)), ("settle", settle(wish.app, state.formation, PREBOOT in state.features)))
    unhidden = "" if PREBOOT in state.features else UNHIDDEN
    return Plan(goal, phases, f"v{state.latest + 1}", (notice, *gap(state, state.formation, unhidden)))


def _kept(state: HerokuState, wanted: str) -> str:
    kept = {release.id for release in state.releases}
    if wanted not in kept or wanted not in state.uuids:
        raise ConfigError(f"release `{wanted}` is not there", "`chatops releases` shows what is")
    return state.uuids[wanted]


def _stop(state: HerokuState) -> Iterator[HerokuStep]:
    """Leaves nothing of ours serving; the app itself stays."""
    running = {name: Formation(0, there.size) for name, there in state.formation.items() if there.quantity}
    if running:
        yield SetFormation(name="formation", title=f"stop {', '.join(running)}", reason="remove", formation=running)


def _remove(state: HerokuState, goal: Remove) -> Plan:
    if state.app is None:
        return Plan(goal)
    lost = ", ".join(sorted(state.addons))
    notices = (f"add-ons go with it, and everything they hold: {lost}",) if lost else ()
    step = DeleteApp(name="delete", title=f"delete the app {state.app.name}", reason="remove")
    return Plan(goal, (Phase("settle", (_claim(), step)),), None, notices)


def _claim() -> Claim:
    return Claim(name="claim", title="nobody else is changing the app", limit=30)


def _current(state: HerokuState) -> str | None:
    return state.release.id if state.release else None


def _phases(*parts: tuple[str, tuple[HerokuStep, ...]]) -> tuple[Phase, ...]:
    return tuple(Phase(name, steps) for name, steps in parts if steps)
