"""What of the app is on a host: run sets, releases, workers, and who holds the lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from chatops.deployed import Deployed, SetFacts, recipes, releases, set_facts, worker_state
from chatops.model import Lock, Worker
from chatops.pm2 import RunSet
from chatops.sanitize import sanitize
from chatops.targets.vps.client.proc import Child, Clock, Process
from chatops.targets.vps.client.sections import Sections, number, record
from chatops.targets.vps.facts import Questions

_NEVER = 1e11
"""Later than any change, in epoch seconds: the app's user may write the lock's file."""


def deployed(host: str, seen: Sections, questions: Questions, clock: Clock) -> tuple[Deployed, list[Worker]]:
    """What is there, and every worker of the sets that serve or are warm."""
    processes = dict(_processes(seen, clock))
    sets = tuple(_sets(seen, questions, processes))
    live, previous = ("".join(seen.lines(name)) or None for name in ("live", "previous"))
    entries = {name: record(lines) for name, lines in seen.under("release").items()}
    ids = {facts.run_set.name: facts.run_set.release for facts in sets}
    trees, envs = seen.under("tree"), set(seen.lines("envs"))

    def complete(release: str, env: str) -> bool:
        return release in trees and env in envs

    there = Deployed(
        sets=sets,
        live=live,
        previous=previous,
        releases=tuple(releases(entries, seen.under("bad"), ids.get(live or ""), ids.get(previous or ""))),
        recipes=dict(recipes(entries, questions.app, questions.layout, complete)),
        modules=frozenset(seen.lines("modules")),
        stale=frozenset(seen.lines("stale")),
        daemon="daemon" in seen.lists,
        pm2_installed="pm2" in seen.lists,
    )
    shown = sorted(
        (facts for facts in sets if facts.run_set.name in {live, previous}), key=lambda facts: facts.run_set.name != live
    )
    return there, [_worker(host, facts, number, processes) for facts in shown for number in range(facts.workers)]


def _processes(seen: Sections, clock: Clock) -> Iterator[tuple[str, Process]]:
    rows = (line.removeprefix("child ") for line in seen.lines("family"))
    children = [child for row in rows for child in Child.read(row, clock)]
    for name, lines in seen.under("worker").items():
        left, stat = record(lines), lines[1] if len(lines) > 1 else ""
        if process := Process.read(left, stat, clock):
            yield name, process.with_children(children)


def _sets(seen: Sections, questions: Questions, processes: Mapping[str, Process]) -> Iterator[SetFacts]:
    def alive(run_set: RunSet, number: int) -> bool:
        found = processes.get(f"{run_set.name} {number}")
        return found is not None and found.alive

    for _, lines in sorted(seen.under("set").items()):
        with suppress(KeyError, TypeError, ValueError):
            yield set_facts(record(lines), questions.app, questions.layout, alive)


def _worker(host: str, facts: SetFacts, number: int, processes: Mapping[str, Process]) -> Worker:
    run_set = facts.run_set
    name, found = run_set.worker(number), processes.get(f"{run_set.name} {number}")
    if found is None or not found.alive:
        return Worker(name, host, "down", restarts=found.restarts if found else None, release=run_set.release)
    state = worker_state(facts, number, found.age)
    cpu = 100 * found.cpu / max(found.age, 0.1)  # since its start, as `ps` says it
    return Worker(name, host, state, found.pid, cpu, found.memory, found.restarts, found.age, run_set.release)


def lock(lines: list[str] | None) -> Lock | None:
    """Who holds the lock, as the file says; None where nobody does."""
    if lines is None:
        return None
    value = record(lines)
    since = number(value.get("since"))
    return Lock(
        sanitize(str(value.get("who", "somebody"))),
        sanitize(str(value.get("what", "a change"))),
        since if 0 <= since < _NEVER else 0.0,
    )
