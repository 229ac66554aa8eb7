"""What would reach a goal on this machine: pure functions from what is there to shell steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import field

from chatops import rollout
from chatops.deployed import Deployed
from chatops.errors import ConfigError
from chatops.frozen import frozen
from chatops.goals import Deploy, Goal, Phase, Plan, Remove, Rollback, Scale, after
from chatops.install import install_pm2
from chatops.model import State
from chatops.pm2 import front_process
from chatops.program import ShellStep
from chatops.shell import words, write
from chatops.steps import Site, ask_pm2, step


@frozen(kw_only=True)
class LocalState(State):
    """What is there on this machine; `front_port` None: no front; `port_owner`: somebody else who has our port.

    `strays` are processes of ours whose folder is gone.
    """

    there: Deployed = field(default_factory=Deployed)
    front_port: int | None = None
    port_owner: str | None = None
    strays: tuple[int, ...] = ()


def plan(site: Site, port: int, state: LocalState, goal: Goal) -> Plan:
    """The plan for any goal. Raises ConfigError where it can't be reached from here."""
    if isinstance(goal, Remove):
        return _remove(site, state, goal)
    if state.port_owner and not (isinstance(goal, Rollback) and goal.to is None):
        raise ConfigError(f"port {port} is taken by {state.port_owner}", "stop that program, or give the target another `port`")
    result = _rollout(site, state, goal, tuple(_base(site, port, state)))
    return Plan(goal, result.phases, result.release, result.notices)


def _rollout(site: Site, state: LocalState, goal: Goal, base: tuple[ShellStep, ...]) -> rollout.Rollout:
    if isinstance(goal, Deploy):
        return rollout.deploy(site, state.there, after(goal, state.releases), base, ready=state.there.daemon)
    if isinstance(goal, Rollback):
        return rollout.rollback(site, state.there, goal, base)
    if isinstance(goal, Scale):
        return rollout.scale(site, state.there, goal)
    return rollout.restart(site, state.there, base)


def _base(site: Site, port: int, state: LocalState) -> Iterator[ShellStep]:
    """PM2 itself and the front, where they are not there yet."""
    if state.strays:
        yield _end_strays(state.strays)
    if not state.there.pm2_installed:
        yield install_pm2(site)
    if state.front_port != port or not state.there.daemon:
        yield _front(site, port)


def _front(site: Site, port: int) -> ShellStep:
    """The one process that faces the users; it outlives every release."""
    layout, name = site.layout, f"{site.app.name}-front"
    record, spec = words(layout.front), layout.state / "front.apps.json"
    texts = [words("mkdir", "-p", layout.logs, layout.run, layout.pm2)]
    texts += [write(spec, json.dumps([front_process(layout, site.app.name, port, site.scripts)]))]
    texts += [ask_pm2(site, "stop", name), f"end_recorded {record}", f"rm -f {record}", ask_pm2(site, "start", spec)]
    texts += [f"for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do\n  [ ! -e {record} ] || exit 0\n  sleep 0.2\ndone"]
    texts += [f"tail -n 3 {words(layout.logs / 'front.err.log')}\nexit 1"]
    return step("front", f"start the front on {site.url}", "\n".join(texts), reason="create")


def _end_strays(pids: tuple[int, ...]) -> ShellStep:
    """PM2 is the first of `pids`: it would start the others again."""
    text = (
        f"set -- {words(*pids)}\n"
        "for pid; do kill $pid 2>/dev/null || :; done\n"
        "for _ in 1 2 3 4 5 6 7 8 9 10; do\n"
        "  alive=\n  for pid; do if kill -0 $pid 2>/dev/null; then alive=1; fi; done\n"
        '  [ -n "$alive" ] || exit 0\n  sleep 0.2\n'
        "done\nfor pid; do kill -KILL $pid 2>/dev/null || :; done"
    )
    return step("strays", f"end {len(pids)} processes whose `.chatops` folder was deleted", text, reason="remove")


def _remove(site: Site, state: LocalState, goal: Remove) -> Plan:
    layout = site.layout
    names = ("releases", "run", "logs", "pm2", "scripts", "current", *(("shared",) if goal.purge else ()))
    gone = [
        *(layout.root / name for name in names),
        *(layout.state / name for name in ("releases", "history.ndjson", "front.json")),
    ]
    records = f"{words(layout.run)}/*/*.pid.json {words(layout.front)}"
    kill = f"[ ! -e {words(layout.pm2 / 'pm2.pid')} ] || [ ! -e {words(site.pm2)} ] || {ask_pm2(site, 'kill')}"
    steps: tuple[ShellStep, ...] = (
        step("stop", "stop the workers, the front and PM2", f"{kill}\nend_recorded {records}", reason="remove"),
        step("delete", f"delete {', '.join(names)}", words("rm", "-rf", "--", *gone), reason="remove"),
    )
    if state.strays:
        steps = (_end_strays(state.strays), *steps)
    there = state.strays or state.there.releases or state.there.sets or state.front_port or goal.purge
    notices = () if goal.purge or not there else ("data and secrets stay; `--purge` removes them too",)
    return Plan(goal, (Phase("settle", steps),) if there else (), None, notices)
