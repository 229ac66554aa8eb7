"""From what is deployed on a host to the phases that reach a goal: pure, the same for every host with PM2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from chatops import install, steps
from chatops.deployed import Deployed, SetFacts
from chatops.environment import env_digest
from chatops.errors import ConfigError
from chatops.frozen import frozen
from chatops.goals import Deploy, Gate, Phase, Rollback, Scale, Step
from chatops.limits import LIMITS
from chatops.model import Environment, Generate, Release
from chatops.pm2 import RunSet
from chatops.shell import words
from chatops.steps import Site


@frozen
class Rollout:
    """Phases, the release they lead to, and what to say before. `base` joins the first phase."""

    phases: tuple[Phase, ...] = ()
    release: str | None = None
    notices: tuple[str, ...] = ()


def deploy(site: Site, there: Deployed, goal: Deploy, base: tuple[Step, ...], ready: bool) -> Rollout:
    """`base`: what the host itself lacks; `ready`: what stands before the workers is as it should be."""
    wanted = _wanted(site, there, goal.release, goal.env)
    live = there.facts(there.live)
    if ready and not base and live and live.whole and live.workers == site.workers and _same(live.run_set, wanted):
        tidy = tuple(_tidy(site, there, live))
        return Rollout(_phases(("settle", tidy)) if tidy else (Phase("prepare", (_nothing(live),)),), goal.release.id)
    previous = there.facts(there.previous)
    if previous and previous.whole and previous.workers == site.workers and _same(previous.run_set, wanted):
        record = install.record_release(site, goal.release, previous.run_set)
        return _onto(site, there, previous.run_set, (*base, steps.wake(site, previous)), record=(record,))
    unpack = (
        install.unpack(site, goal.release),
        *install.modules(site, goal.release, there.modules),
        *install.generated(site, goal.env),
    )
    record = install.record_release(site, goal.release, wanted)
    # One that is kept already is the newest only when it serves: should this fail, a later way back still finds it.
    new, again = ((), (record,)) if goal.release.id in there.recipes else ((record,), ())
    begin = (*new, *steps.start(site, wanted, range(site.workers)))
    return _onto(site, there, wanted, (*base, *unpack, *begin), record=again)


def rollback(site: Site, there: Deployed, goal: Rollback, base: tuple[Step, ...], host: str = "") -> Rollout:
    """To a warm release by one rename, to a kept one through the gate; what is already so is only tidied."""
    if goal.undo and goal.to not in there.recipes:
        goal = replace(goal, to=_own(there, goal.undo))
    mark = (install.mark_bad(site, goal.bad),) if goal.bad else ()
    left = tuple(kept.id for kept in there.releases if kept.id in goal.left)
    if goal.to is None:
        run = site.layout.run
        point = steps.step("forget", "point traffic at nothing", words("rm", "-f", "--", run / "live", run / "previous"))
        forget = (point,) if there.live or there.previous or there.sets else ()
        return Rollout(_phases(("settle", (*mark, *forget, *steps.stop_sets(site, list(there.sets))))))
    live, previous = there.facts(there.live), there.facts(there.previous)
    if live and live.run_set.release == goal.to and live.alive:
        leftovers = [facts for facts in there.sets if facts.run_set.name not in {there.live, there.previous}]
        return Rollout(_phases(("settle", (*mark, *steps.stop_sets(site, leftovers)))), goal.to)
    if goal.to not in there.recipes:
        where = f"on `{host}`: a deploy brings every host up to date" if host else "here"
        raise ConfigError(f"release `{goal.to}` is not kept {where}", "`chatops releases` shows what is")
    if previous and previous.whole and previous.run_set.release == goal.to:
        return _onto(site, there, previous.run_set, (*mark, *base, steps.wake(site, previous)), goal.bad, left)
    wanted = replace(there.recipes[goal.to].run_set, name=_free_name(there, goal.to))
    begin = steps.start(site, wanted, range(live.workers if live else site.workers))
    return _onto(site, there, wanted, (*mark, *base, *begin), goal.bad, left)


def _own(there: Deployed, undo: str) -> str | None:
    """What a host served before a change to release `undo`, where that is not what the others served."""
    facts = there.facts(there.live)
    if facts and facts.run_set.release == undo:
        facts = there.facts(there.previous)
    return facts.run_set.release if facts else None


def restart(site: Site, there: Deployed, base: tuple[Step, ...]) -> Rollout:
    """Fresh workers of the same release beside the old ones; the warm release stays warm."""
    live = _live(there)
    wanted = replace(live.run_set, name=_free_name(there, live.run_set.release))
    begin = steps.start(site, wanted, range(live.workers))
    return _onto(site, there, wanted, (*base, *begin), live.run_set.release)


def scale(site: Site, there: Deployed, goal: Scale) -> Rollout:
    """More workers join the set that serves; fewer: the surplus drains and stops."""
    live = _live(there)
    run_set, release = live.run_set, live.run_set.release
    if goal.workers == live.workers == live.proved:
        return Rollout((Phase("prepare", (_nothing(live),)),), release)
    notices = (
        (f"the file says `workers: {site.workers}`: the next deploy goes back to it",) if goal.workers != site.workers else ()
    )
    fewer, more = range(goal.workers, live.workers), range(min(live.proved, goal.workers), goal.workers)
    retire = (steps.retire(site, live, fewer),) if fewer else ()
    start = steps.start(site, run_set, more) if more else ()
    phases = _phases(("prepare", (*retire, *start))) if start else _phases(("settle", retire))
    return Rollout(phases, release, notices)


def _onto(
    site: Site,
    there: Deployed,
    wanted: RunSet,
    prepare: tuple[Step, ...],
    gone: str | None = None,
    left: tuple[str, ...] = (),
    record: tuple[Step, ...] = (),
) -> Rollout:
    """Prepare, switch and settle. What serves now stays warm, unless it is release `gone` (bad, or only restarted).

    Releases that are `left` behind are marked as bad with the switch; `record` goes with it, too.
    """
    live = there.facts(there.live)
    replaced = live is None or live.run_set.release == gone or not live.alive
    warm = there.previous if replaced and there.previous != wanted.name else there.live
    warm = None if replaced and warm == there.live else warm
    leftovers = [facts for facts in there.sets if facts.run_set.name not in {wanted.name, warm}]
    drain = (steps.drain(site, live),) if live and live.alive and live.run_set.name != wanted.name else ()
    settle = (*drain, *steps.stop_sets(site, leftovers), *_prune(site, there, wanted, warm))
    gate = Gate(url=f"{site.url}{site.app.health}", release=wanted.release, seconds=LIMITS.boot / 2)
    phases = _phases(
        ("prepare", prepare), ("switch", (*record, steps.switch(site, wanted, there.live, warm, left))), ("settle", settle)
    )
    return Rollout(tuple(replace(phase, gate=gate) if phase.name == "switch" else phase for phase in phases), wanted.release)


def _tidy(site: Site, there: Deployed, live: SetFacts) -> Iterator[Step]:
    """What a change left undone that was broken off after its switch: clients, sets, releases."""
    leftovers = [facts for facts in there.sets if facts.run_set.name not in {there.live, there.previous}]
    previous = there.facts(there.previous)
    if leftovers and previous and previous.alive:
        yield steps.drain(site, previous)
    yield from steps.stop_sets(site, leftovers)
    yield from _prune(site, there, live.run_set, there.previous)


def _phases(*named: tuple[str, Iterable[Step]]) -> tuple[Phase, ...]:
    phases = (Phase(name, tuple(items)) for name, items in named)
    return tuple(phase for phase in phases if phase.steps)


def _prune(site: Site, there: Deployed, wanted: RunSet, warm: str | None) -> Iterator[Step]:
    """The oldest releases beyond `keep`, with what only they used."""
    warm_facts = there.facts(warm)
    needed = {wanted.release, *({warm_facts.run_set.release} if warm_facts else ())}
    ordered = sorted(there.releases, key=lambda kept: kept.created or 0, reverse=True)
    others = [kept.id for kept in ordered if kept.id not in needed]
    old = others[max(0, site.keep - len(needed)) :]
    kept = [there.recipes[id] for id in (*needed, *others) if id in there.recipes and id not in old]
    gone = [there.recipes[id] for id in old if id in there.recipes]
    envs = {recipe.run_set.env for recipe in gone} - {recipe.run_set.env for recipe in kept} - {wanted.env}
    keys = {recipe.modules for recipe in gone} - {recipe.modules for recipe in kept} - {None}
    unused = [] if site.layout.cache else sorted(key for key in keys if key)
    yield from install.prune(site, old, unused, sorted(envs), sorted(there.stale - {site.scripts.name}))


def _wanted(site: Site, there: Deployed, release: Release, env: Environment) -> RunSet:
    """The run set that a deploy wants: an interrupted one of the same kind is taken up again."""
    made = (name for name, value in env.items() if isinstance(value, Generate))
    secrets = tuple(sorted({*made, *(name for name in site.provided if name not in env)}))
    digest = env_digest(env, site.app.name + site.stores)
    wanted = RunSet("", site.app.name, release.id, digest, release.command, secrets, site.layout, site.node, site.stores)
    unfinished = (facts.run_set for facts in there.sets if facts.run_set.name not in {there.live, there.previous})
    again = next((run_set.name for run_set in unfinished if _same(run_set, wanted)), None)
    return replace(wanted, name=again or _free_name(there, release.id))


def _same(one: RunSet, other: RunSet) -> bool:
    return replace(one, name="") == replace(other, name="")


def _free_name(there: Deployed, release: str) -> str:
    taken = {facts.run_set.name for facts in there.sets}
    names = (release if number == 1 else f"{release}.{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _live(there: Deployed) -> SetFacts:
    live = there.facts(there.live)
    if live is None:
        raise ConfigError("nothing is deployed here yet", "`chatops deploy` comes first")
    return live


def _nothing(live: SetFacts) -> Step:
    return Step(
        name="nothing",
        title=f"{steps.counted(live.alive, 'worker')} of {live.run_set.name} serve{'s' if live.alive == 1 else ''} already",
        reason="skip",
    )
