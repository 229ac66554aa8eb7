"""What of an app is on a host, as values: run sets, releases, how to start each again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from typing import Any

from chatops.frozen import frozen
from chatops.limits import LIMITS
from chatops.model import KeptRelease, ReleaseState, WorkerState
from chatops.pm2 import Layout, RunSet, from_summary


@frozen
class SetFacts:
    """A run set that is there: `workers` were asked for, `alive` of them live, the first `proved` have passed the gate."""

    run_set: RunSet
    workers: int
    alive: int
    proved: int

    @property
    def whole(self) -> bool:
        """Whether every worker that was asked for is there and may have clients."""
        return self.alive == self.workers == self.proved


def worker_state(facts: SetFacts, number: int, age: float) -> WorkerState:
    """The state of a worker that lives for `age` seconds: those that may not have clients are on their way in, or out."""
    if number < facts.proved:
        return "up"
    return "starting" if age < LIMITS.boot else "stopping"


def set_facts(value: Mapping[str, Any], app: str, layout: Layout, alive: Callable[[RunSet, int], bool]) -> SetFacts:
    """What `set.json` says, with what `alive` says of each worker. Raises KeyError, TypeError, ValueError: it is not ours."""
    run_set, workers = from_summary(value, app, layout), int(value["workers"])
    living = sum(alive(run_set, number) for number in range(workers))
    return SetFacts(run_set, workers, living, int(value.get("proved", workers)))


@frozen
class Recipe:
    """How a kept release runs: its last run set, and its dependencies' key."""

    run_set: RunSet
    modules: str | None


def releases(
    entries: Mapping[str, Mapping[str, Any]], bad: Collection[str], current: str | None, warm: str | None
) -> Iterator[KeptRelease]:
    """What is kept, the newest first; `entries` are the records of releases by their ids, `current` and `warm` ids."""
    for id, value in sorted(entries.items(), key=lambda item: _number(item[1].get("created")), reverse=True):
        state: ReleaseState = "current" if id == current else "bad" if id in bad else "warm" if id == warm else "kept"
        yield KeptRelease(id, state, value.get("created"), value.get("by"), value.get("git"))


def recipes(
    entries: Mapping[str, Mapping[str, Any]], app: str, layout: Layout, complete: Callable[[str, str], bool]
) -> Iterator[tuple[str, Recipe]]:
    """How to start each kept release of which all is there; `complete` says so of its id and its environment's digest."""
    for id, value in entries.items():
        with suppress(KeyError, TypeError):
            if complete(id, value["env"]):
                yield id, Recipe(from_summary(value, app, layout), value["modules"])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


@frozen
class Deployed:
    """What of an app is on one host. `live` and `previous` name run sets: where traffic goes, and what stays warm."""

    sets: tuple[SetFacts, ...] = ()
    live: str | None = None
    previous: str | None = None
    releases: tuple[KeptRelease, ...] = ()
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    modules: frozenset[str] = frozenset()
    stale: frozenset[str] = frozenset()
    """Folders of scripts, of other versions of this tool, that nothing here runs from any more."""
    daemon: bool = False
    pm2_installed: bool = False

    def facts(self, name: str | None) -> SetFacts | None:
        """A run set by its name."""
        return next((facts for facts in self.sets if facts.run_set.name == name), None)
