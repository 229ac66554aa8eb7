"""The plan of a deploy: what the app lacks, the config vars, the build, the formation, and the proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from chatops.goals import Deploy, Phase, Plan, Reason
from chatops.model import App, Environment, Generate
from chatops.redact import Secret
from chatops.targets.heroku.config import SINGLE, Block
from chatops.targets.heroku.plan.settle import PREBOOT, UNHIDDEN, gap, settle
from chatops.targets.heroku.plan.state import MARK, NAMES, Formation, HerokuState
from chatops.targets.heroku.plan.steps import (
    AddAddon,
    AddDomain,
    AddDrain,
    AwaitRelease,
    Build,
    Claim,
    CreateApp,
    EnableCertificates,
    EnableFeature,
    HerokuStep,
    JoinBuild,
    RestartDyno,
    SetBuildpacks,
    SetConfig,
    SetFormation,
    SetStack,
)

ALWAYS = ("log-runtime-metrics", "runtime-dyno-metadata")
"""Load and memory in the log; HEROKU_RELEASE_VERSION for the dynos, so that an app can tell its release."""
BUILD_LIMIT = 1800.0
"""Seconds; a build may take 15 minutes, and wait for its turn."""
RELEASE_LIMIT = 1200.0
"""Seconds that a release phase may take."""


RESTARTS = (CreateApp, AddAddon, SetConfig, Build, SetFormation)
"""Steps that replace dynos."""
ADDON_LIMIT = 900.0
"""Seconds until an add-on must be provisioned."""


def plan(app: App, block: Block, state: HerokuState, goal: Deploy) -> Plan:
    """No step at all where everything is as it should be."""
    wanted = _wanted(block)
    build = tuple(_build(block, state, goal))
    early, late = _preboot(state, wanted)
    prepare = (*_app(app, block, state), *_things(block, state, building=bool(build)), *early)
    switch = (*_config(state, goal.env), *build, *_formation(state, wanted), *late)
    restarts = any(isinstance(step, RESTARTS) for step in (*prepare, *switch))
    if not restarts:
        switch = (*switch, *_revive(state))
        restarts = bool(switch)
    hidden = PREBOOT in state.features or bool(early)
    proof = settle(app, wanted, hidden) if restarts else ()
    parts = (("prepare", prepare), ("switch", switch), ("settle", (*proof, *_domains(block, state))))
    phases = tuple(Phase(name, steps) for name, steps in parts if steps)
    if not phases:
        return Plan(goal, (), state.release.id if state.release else None)
    claim = (Claim(name="claim", title="nobody else is changing the app", limit=30),) if state.app else ()
    phases = (Phase(phases[0].name, (*claim, *phases[0].steps)), *phases[1:])
    return Plan(goal, phases, _release(state, prepare, switch), _notices(block, state, restarts, hidden))


def _app(app: App, block: Block, state: HerokuState) -> Iterator[HerokuStep]:
    if state.app is None:
        title = f"create the app {block.app} in {block.region}" + (f" on {block.stack}" if block.stack else "")
        mark = {MARK: app.name}
        yield CreateApp(name="app", title=title, reason="create", region=block.region, stack=block.stack, config=mark)
    elif block.stack and state.app.stack != block.stack:
        yield SetStack(
            name="stack", title=f"move from {state.app.stack} to {block.stack} with the next build", stack=block.stack
        )


def _things(block: Block, state: HerokuState, *, building: bool) -> Iterator[HerokuStep]:
    """Features, buildpacks, add-ons and drains that are missing; what the file does not name stays.

    Buildpacks are set before each build: what the last one used does not say what somebody has set since.
    """
    yield from _features(ALWAYS, state)
    if block.buildpacks and building:
        yield SetBuildpacks(
            name="buildpacks", title=f"set the buildpacks {', '.join(block.buildpacks)}", buildpacks=block.buildpacks
        )
    for number, plan in enumerate(block.addons, 1):
        yield from _addon(plan, number, state)
    for number, url in enumerate(block.drains, 1):
        if url not in state.drains:
            title = f"send the log to {urlsplit(url).hostname}"
            yield AddDrain(name=f"drain_{number}", title=title, reason="create", url=Secret(url))


def _features(wanted: tuple[str, ...], state: HerokuState) -> Iterator[HerokuStep]:
    for feature in wanted:
        if feature not in state.features:
            yield EnableFeature(name=f"feature_{feature}", title=f"enable {feature}", reason="create", feature=feature)


def _preboot(state: HerokuState, wanted: Mapping[str, Formation]) -> tuple[tuple[HerokuStep, ...], tuple[HerokuStep, ...]]:
    """Enabled where dynos allow it: before they are replaced if those that run do, else when larger ones are there."""
    steps = tuple(_features((PREBOOT,), state)) if _allows_preboot(wanted) else ()
    return (steps, ()) if _allows_preboot(state.formation) else ((), steps)


def _allows_preboot(formation: Mapping[str, Formation]) -> bool:
    web = formation.get("web")
    return web is not None and web.quantity > 0 and web.size not in SINGLE


def _addon(plan: str, number: int, state: HerokuState) -> Iterator[HerokuStep]:
    service = plan.split(":")[0]
    there = next((name for name in sorted(state.addons) if name.split(":")[0] == service), None)
    if plan in state.addons or (there and plan == service):
        return
    title = f"move {there} to {plan}" if there else f"add {plan} and wait until it is provisioned"
    reason: Reason = "change" if there else "create"
    yield AddAddon(name=f"addon_{number}", title=title, reason=reason, plan=plan, replaces=there, limit=ADDON_LIMIT)


def _config(state: HerokuState, env: Environment) -> Iterator[HerokuStep]:
    """One PATCH with the difference. A secret that is made there is made once and kept ever after."""
    changes = dict(_changes(state.config, env))
    if changes:
        detail = ", ".join(_sign(name, changes, state.config) + name for name in sorted(changes))
        title = f"set {len(changes)} config var{'s' if len(changes) > 1 else ''}"
        yield SetConfig(name="config", title=title, detail=detail, changes=changes)


def _sign(name: str, changes: Mapping[str, object], there: Mapping[str, object]) -> str:
    return "-" if changes[name] is None else "~" if name in there else "+"


def _changes(there: Mapping[str, Secret], env: Environment) -> Iterator[tuple[str, Secret | Generate | None]]:
    listed = Secret(",".join(sorted(name for name, value in env.items() if not isinstance(value, Generate))))
    known = there.get(NAMES, Secret("")).reveal().split(",")
    for name in known:
        if name and name in there and name not in env:
            yield name, None
    for name, value in env.items():
        if isinstance(value, Generate):
            if name not in there:
                yield name, value
        elif (wanted := value if isinstance(value, Secret) else Secret(value)) != there.get(name):
            yield name, wanted
    if there.get(NAMES, Secret("")) != listed:
        yield NAMES, listed


def join(app: App, block: Block, build: str | None) -> Phase:
    """What is left to follow of a deploy that runs: its build, or only its release phase."""
    step = JoinBuild(name="build", title="join the build", build=build or "", limit=BUILD_LIMIT)
    wanted = _wanted(block)
    return Phase("switch", (*((step,) if build else ()), _await_release(), *settle(app, wanted, _allows_preboot(wanted))))


def _await_release() -> AwaitRelease:
    return AwaitRelease(name="release", title="release it, with its release phase", limit=RELEASE_LIMIT)


def _wanted(block: Block) -> dict[str, Formation]:
    return {name: Formation(dynos.quantity, dynos.size) for name, dynos in block.dynos.items()}


def _build(block: Block, state: HerokuState, goal: Deploy) -> Iterator[HerokuStep]:
    release = goal.release
    new_stack = bool(state.app and block.stack and state.app.stack != block.stack)
    new_packs = bool(block.buildpacks and block.buildpacks != state.buildpacks)
    if state.source == release.id and not new_stack and not new_packs:
        return
    why = f"{state.source or 'nothing'} -> {release.id}" + (f" ({release.git})" if release.git else "")
    yield Build(name="build", title=f"upload and build {release.id}", detail=why, source=release, limit=BUILD_LIMIT)
    yield _await_release()


def _formation(state: HerokuState, wanted: Mapping[str, Formation]) -> Iterator[HerokuStep]:
    """A process type that is not running and shall not run needs nothing."""
    changed = {name: there for name, there in wanted.items() if state.formation.get(name, Formation(0, there.size)) != there}
    if changed:
        title = ", ".join(f"{name}: {there.quantity} x {there.size.title()}" for name, there in changed.items())
        detail = ", ".join(f"{name} was {_shown(state.formation.get(name))}" for name in changed)
        yield SetFormation(name="formation", title=f"run {title}", detail=detail, formation=changed)


def _revive(state: HerokuState) -> Iterator[HerokuStep]:
    """Dynos that crashed and that nothing else would replace."""
    for worker in state.workers:
        if worker.state == "crashed":
            title = f"restart {worker.name}, which has crashed"
            yield RestartDyno(name=f"restart_{worker.name}", title=title, dyno=worker.name)


def _shown(there: Formation | None) -> str:
    return f"{there.quantity} x {there.size.title()}" if there else "not running"


def _domains(block: Block, state: HerokuState) -> Iterator[HerokuStep]:
    for number, hostname in enumerate(block.domains, 1):
        if hostname not in state.domains:
            yield AddDomain(name=f"domain_{number}", title=f"add the domain {hostname}", reason="create", hostname=hostname)
    if block.domains and not _eco(block) and not (state.app and state.app.acm):
        yield EnableCertificates(name="certificates", title="have certificates managed for the domains", reason="create")


def _eco(block: Block) -> bool:
    return any(dynos.size == "eco" and dynos.quantity for dynos in block.dynos.values())


def _release(state: HerokuState, prepare: tuple[HerokuStep, ...], switch: tuple[HerokuStep, ...]) -> str | None:
    """The release this leads to, where it can be told: an add-on makes as many releases as it likes."""
    if any(isinstance(step, CreateApp | AddAddon) for step in prepare):
        return None
    return f"v{state.latest + sum(isinstance(step, SetConfig | Build) for step in switch)}"


def _notices(block: Block, state: HerokuState, restarts: bool, hidden: bool) -> tuple[str, ...]:
    notices = list(gap(state, _wanted(block), "" if hidden else UNHIDDEN)) if restarts else []
    if _eco(block):
        notices.append("Eco dynos sleep after 30 minutes without requests; the first request then waits for a boot")
    if _eco(block) and block.domains:
        notices.append("certificates are not managed on Eco: from basic on, the domains get TLS")
    if state.app and block.region != state.app.region:
        notices.append(f"the app is in {state.app.region}; Heroku can't move it to {block.region}")
    if state.app and state.app.maintenance:
        notices.append("maintenance mode is on: users see Heroku's maintenance page")
    return tuple(notices)
