"""One look at a host: one script, one round trip, every fact. Needs POSIX sh there and nothing of ours; reads only."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from chatops.errors import TargetError
from chatops.model import KeptRelease, Lock, Worker
from chatops.pm2 import Deployed, Recipe, RunSet, SetFacts, from_summary
from chatops.sanitize import sanitize
from chatops.shell import assign
from chatops.targets.vps.client.channel import new_mark
from chatops.targets.vps.client.link import Link
from chatops.targets.vps.client.proc import Clock, Process
from chatops.targets.vps.facts import Firewall, HostFacts, Listening, Questions, Unit

_SCRIPT = Path(__file__).with_name("look.sh")
_ALONE = """
printf '%s login\\n' "$mark"
id -un
id -u
if [ "$(id -u)" = 0 ]; then
  eval "$body"
elif sudo -n true 2>/dev/null; then
  printf '%s root\\n' "$mark"
  printf '%s\\n' "$body" | sudo -n /bin/sh
else
  eval "$body"
fi
"""
"""As root where we may: a login that may not sees what it may."""


def script(questions: Questions, mark: str) -> str:
    """The text of the look."""
    given = {
        "mark": mark,
        "app": questions.app,
        "root": questions.layout.root,
        "pm2": questions.pm2,
        "runtimes": questions.runtimes,
        "stamps": questions.stamps,
        "packages": " ".join(questions.packages),
        "units": " ".join(questions.units),
        "markers": " ".join(map(str, questions.markers)),
    }
    body = "\n".join([*(assign(name, value) for name, value in given.items()), _SCRIPT.read_text()])
    return f"{assign('mark', mark)}\n{assign('body', body)}\n{_ALONE}"


async def look(link: Link, questions: Questions) -> HostFacts:
    """Everything about one host."""
    mark, begun = new_mark(), time.time()
    answer = await link.script(script(questions, mark))
    sections = Sections.read(answer.out.decode("utf-8", "backslashreplace"), mark)
    if "end" not in sections.lists:
        said = sanitize(answer.err.decode("utf-8", "replace").strip().rpartition("\n")[2])
        raise TargetError(
            f"can't look at `{link.host.address}`: {said or f'exit code {answer.code}'}", "is it Debian or Ubuntu?"
        )
    return facts(link.host.address, sections, questions, (begun + time.time()) / 2)


@dataclass(slots=True)
class Sections:
    """What the script printed: the lines under each name, and under each name with an argument."""

    lists: dict[str, list[str]] = field(default_factory=dict)
    named: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, mark: str) -> Sections:
        """Lines that are not ours before the first mark are left out."""
        sections, lines = cls(), list[str]()
        for line in text.split("\n"):
            if not line.startswith(f"{mark} "):
                lines.append(line)
                continue
            name, _, argument = line.removeprefix(f"{mark} ").partition(" ")
            lines = (
                sections.named.setdefault(name, {}).setdefault(argument, [])
                if argument
                else sections.lists.setdefault(name, [])
            )
        return sections

    def lines(self, name: str) -> list[str]:
        """The lines of a section that are not empty."""
        return [line for line in self.lists.get(name, []) if line]

    def words(self, name: str, count: int) -> list[str]:
        """The first `count` lines, empty where there are fewer."""
        return [*self.lists.get(name, []), *[""] * count][:count]

    def under(self, name: str) -> Mapping[str, list[str]]:
        """The sections of a name that have an argument."""
        return self.named.get(name, {})


def facts(host: str, seen: Sections, questions: Questions, now: float) -> HostFacts:
    """The facts in what was printed; `now` is our clock at that moment."""
    user, uid = seen.words("login", 2)
    os, version, codename = seen.words("os", 3)
    arch, glibc, ticks, page, cores = seen.words("machine", 5)
    load, uptime, date = seen.words("load", 3)
    clock = Clock(
        now=_number(date, now), up=_number(uptime.partition(" ")[0]), ticks=_number(ticks, 100), page=int(_number(page, 4096))
    )
    memory = {
        key: int(_number(value.split()[0]) * 1024) for key, _, value in (line.partition(":") for line in seen.lines("memory"))
    }
    there, workers = _app(host, seen, questions, clock)
    return HostFacts(
        host=host,
        os=sanitize(os),
        os_version=sanitize(version),
        codename=sanitize(codename),
        arch=sanitize(arch),
        glibc=sanitize(glibc.removeprefix("glibc ")),
        user=sanitize(user),
        uid=int(_number(uid, -1)),
        root=uid == "0" or "root" in seen.lists,
        disk_free=_free(seen.lines("disk")) * 1024,
        inodes_free=_free(seen.lines("inodes")),
        memory=memory.get("MemTotal", 0),
        memory_free=memory.get("MemAvailable", 0),
        cores=int(_number(cores, 1)),
        load=_number(load.partition(" ")[0]),
        skew=clock.now - now,
        reboot_required="reboot" in seen.lists,
        app_user="appuser" in seen.lists,
        packages=dict(_packages(seen.lines("packages"))),
        units=dict(_units("\n".join(seen.lists.get("units", [])))),
        listening=tuple(_listening(seen.lines("listening"))),
        firewall=_firewall(seen.lines("firewall")),
        runtimes=tuple(seen.lines("runtimes")),
        stamps={name: "".join(lines[:1]) for name, lines in seen.under("stamp").items()},
        markers={PurePosixPath(name): "\n".join(lines) for name, lines in seen.under("marker").items()},
        there=there,
        workers=tuple(workers),
        lock=lock(seen.lists.get("lock")),
    )


def _number(text: str, otherwise: float = 0.0) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise


def _free(lines: Iterable[str]) -> int:
    """The fourth word of df's line."""
    words = "".join(lines).split()
    return int(_number(words[3])) if len(words) > 3 else 0


def _packages(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        state, name, version = (*line.split(), "", "")[:3]
        if state == "ii":
            yield name, version


def _units(text: str) -> Iterator[tuple[str, Unit]]:
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("LoadState") not in {None, "not-found"}:
            yield values.get("Id", ""), Unit(values.get("ActiveState", ""), values.get("UnitFileState", ""))


def _listening(lines: Iterable[str]) -> Iterator[Listening]:
    """ss(8): state, two queues, local address, peer, and users:(("name",...)) for those who may know."""
    for line in lines:
        words = line.split(None, 5)
        address, _, port = words[3].rpartition(":") if len(words) > 4 else ("", "", "")
        if port.isdigit():
            program = words[5].partition('"')[2].partition('"')[0] if len(words) > 5 else ""
            yield Listening(int(port), address, sanitize(program))


def _firewall(lines: list[str]) -> Firewall:
    states: dict[str, Firewall] = {"yes": "active", "no": "inactive", "absent": "absent"}
    return states.get("".join(lines).partition("=")[2].strip("\"'"), "unknown")


def lock(lines: list[str] | None) -> Lock | None:
    """Who holds the lock, as the file says; None where nobody does."""
    if lines is None:
        return None
    value = _object(lines)
    return Lock(
        sanitize(str(value.get("who", "somebody"))),
        sanitize(str(value.get("what", "a change"))),
        float(value.get("since") or 0),
    )


# ---------------------------------------------------------------- the app


def _app(host: str, seen: Sections, questions: Questions, clock: Clock) -> tuple[Deployed, list[Worker]]:
    processes = dict(_processes(seen, clock))
    sets = tuple(_sets(seen, questions, processes))
    live, previous = ("".join(seen.lines(name)) or None for name in ("live", "previous"))
    entries = {name: _object(lines) for name, lines in seen.under("release").items()}
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
        record, stat = _object(lines), lines[1] if len(lines) > 1 else ""
        if process := Process.read(record, stat, clock):
            yield name, process


def _sets(seen: Sections, questions: Questions, processes: Mapping[str, Process]) -> Iterator[SetFacts]:
    for name, lines in sorted(seen.under("set").items()):
        with suppress(KeyError, TypeError, ValueError):
            value = _object(lines)
            run_set, workers = from_summary(value, questions.app, questions.layout), int(value["workers"])
            alive = sum(processes[f"{name} {number}"].alive for number in range(workers) if f"{name} {number}" in processes)
            yield SetFacts(run_set, workers, alive)


def _releases(
    seen: Sections, entries: Mapping[str, dict[str, Any]], sets: Mapping[str, str], live: str | None, previous: str | None
) -> Iterator[KeptRelease]:
    current, warm = sets.get(live or ""), sets.get(previous or "")
    for id, value in sorted(entries.items(), key=lambda item: item[1].get("created") or 0, reverse=True):
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


def _object(lines: Iterable[str]) -> dict[str, Any]:
    try:
        value = json.loads(next(iter(lines), ""))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
