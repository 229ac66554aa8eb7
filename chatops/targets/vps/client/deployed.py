"""What of the app is on a host: run sets, releases, workers, and who holds the lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from chatops.model import KeptRelease, Lock, Worker
from chatops.pm2 import Deployed, Recipe, RunSet, SetFacts, from_summary
from chatops.sanitize import sanitize
from chatops.targets.vps.client.proc import Clock, Process
from chatops.targets.vps.client.sections import Sections, number, record
from chatops.targets.vps.facts import Questions


def deployed(host: str, seen: Sections, questions: Questions, clock: Clock) -> tuple[Deployed, list[Worker]]:
    """What is there, and every worker of the sets that serve or are warm."""
    processes = dict(_processes(seen, clock))
    sets = tuple(_sets(seen, questions, processes))
    live, previous = ("".join(seen.lines(name)) or None for name in ("live", "previous"))
    entries = {name: record(lines) for name, lines in seen.under("release").items()}
    there = Deployed(
        sets=sets,
        live=live,
        previous=previous,
        releases=tuple(_releases(seen, entries, {facts.run_set.name: facts.run_set.release for facts in sets}, live, previous)),
        recipes=dict(_recipes(seen, entries, questions)),
        modules=frozenset(seen.lines("modules")),
        daemon="daemon" in seen.lists,
        pm2_installed="pm2" in seen.lists,
    )
    shown = sorted(
        (facts for facts in sets if facts.run_set.name in {live, previous}), key=lambda facts: facts.run_set.name != live
    )
    return there, [_worker(host, facts.run_set, number, processes, clock) for facts in shown for number in range(facts.workers)]


def _processes(seen: Sections, clock: Clock) -> Iterator[tuple[str, Process]]:
    for name, lines in seen.under("worker").items():
        left, stat = record(lines), lines[1] if len(lines) > 1 else ""
        if process := Process.read(left, stat, clock):
            yield name, process


def _sets(seen: Sections, questions: Questions, processes: Mapping[str, Process]) -> Iterator[SetFacts]:
    for name, lines in sorted(seen.under("set").items()):
        with suppress(KeyError, TypeError, ValueError):
            value = record(lines)
            run_set, workers = from_summary(value, questions.app, questions.layout), int(value["workers"])
            alive = sum(processes[f"{name} {number}"].alive for number in range(workers) if f"{name} {number}" in processes)
            yield SetFacts(run_set, workers, alive)


def _releases(
    seen: Sections, entries: Mapping[str, dict[str, Any]], sets: Mapping[str, str], live: str | None, previous: str | None
) -> Iterator[KeptRelease]:
    current, warm = sets.get(live or ""), sets.get(previous or "")
    for id, value in sorted(entries.items(), key=lambda item: number(item[1].get("created")), reverse=True):
        bad = id in seen.under("bad")
        state = "current" if id == current else "bad" if bad else "warm" if id == warm else "kept"
        yield KeptRelease(id, state, value.get("created"), value.get("by"), value.get("git"))  # type: ignore[arg-type]


def _recipes(seen: Sections, entries: Mapping[str, dict[str, Any]], questions: Questions) -> Iterator[tuple[str, Recipe]]:
    trees, envs = seen.under("tree"), set(seen.lines("envs"))
    for id, value in entries.items():
        with suppress(KeyError, TypeError):
            if id in trees and value["env"] in envs:
                yield id, Recipe(from_summary(value, questions.app, questions.layout), value["modules"])


def _worker(host: str, run_set: RunSet, number: int, processes: Mapping[str, Process], clock: Clock) -> Worker:
    name, found = run_set.worker(number), processes.get(f"{run_set.name} {number}")
    if found is None or not found.alive:
        return Worker(name, host, "down", restarts=found.restarts if found else None, release=run_set.release)
    return Worker(name, host, "up", found.pid, None, found.memory, found.restarts, found.age, run_set.release)


def lock(lines: list[str] | None) -> Lock | None:
    """Who holds the lock, as the file says; None where nobody does."""
    if lines is None:
        return None
    value = record(lines)
    return Lock(
        sanitize(str(value.get("who", "somebody"))),
        sanitize(str(value.get("what", "a change"))),
        number(value.get("since")),
    )
