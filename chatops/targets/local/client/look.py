"""What is there: files under the app's root and the processes that they name. Reads only, starts nothing."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from chatops.deployed import Deployed, SetFacts, recipes, releases, set_facts, worker_state
from chatops.model import Worker
from chatops.pm2 import Layout, RunSet
from chatops.steps import Site

CLOCK_SLACK = 5.0
"""Seconds between a process's start and its record; a process that started later than its record is another one."""


def deployed(site: Site) -> Deployed:
    """What of the app is on this machine."""
    layout = site.layout
    sets = tuple(sorted(_sets(site), key=lambda facts: facts.run_set.name))
    live, previous = (_link(Path(layout.run) / name) for name in ("live", "previous"))
    ids = {facts.run_set.name: facts.run_set.release for facts in sets}
    known = Path(layout.state) / "releases"
    entries = {path.stem: _json(path) for path in known.glob("*.json")}
    bad = {path.stem for path in known.glob("*.bad")}

    def complete(release: str, env: str) -> bool:
        return Path(layout.release(release)).is_dir() and Path(layout.env(env)).exists()

    return Deployed(
        sets=sets,
        live=live,
        previous=previous,
        releases=tuple(releases(entries, bad, ids.get(live or ""), ids.get(previous or ""))),
        recipes=dict(recipes(entries, site.app.name, layout, complete)),
        modules=frozenset(path.name for path in Path(layout.modules("x")).parent.glob("*") if path.suffix != ".new"),
        stale=frozenset(_stale(Path(layout.root))),
        daemon=_alive(Path(layout.pm2) / "pm2.pid"),
        pm2_installed=(Path(site.pm2) / "node_modules" / "pm2").exists(),
    )


def _stale(root: Path) -> Iterator[str]:
    """Folders of scripts that neither PM2 nor a set that is here would start anything from."""
    names = [path.name for path in (root / "scripts").glob("*")]
    dump = root / "pm2" / "dump.pm2"
    if len(names) > 1 and dump.exists():
        files = (dump, root / "state" / "front.apps.json", *(root / "run").glob("*/apps.json"))
        text = "\n".join(path.read_text("utf-8", "replace") for path in files if path.exists())
        yield from (name for name in names if f"/scripts/{name}/" not in text)


def _sets(site: Site) -> Iterator[SetFacts]:
    for path in Path(site.layout.run).glob("*/set.json"):
        if not path.parent.is_symlink():
            with suppress(KeyError, TypeError, ValueError):
                yield set_facts(_json(path), site.app.name, site.layout, lambda *worker: process(*worker) is not None)


def process(run_set: RunSet, number: int) -> psutil.Process | None:
    """The living process of a worker, by the record it left."""
    return recorded(Path(run_set.record(number)))


def recorded(path: Path) -> psutil.Process | None:
    """The process that wrote `path`, if it still lives (a number that is used again does not count)."""
    record = _json(path)
    with suppress(psutil.Error, KeyError, TypeError, ValueError):
        found = psutil.Process(int(record["pid"]))
        zombie = found.status() == psutil.STATUS_ZOMBIE
        return None if zombie or found.create_time() > record["started"] + CLOCK_SLACK else found
    return None


def front_port(layout: Layout) -> int | None:
    """The port that our front listens on; None when it does not run."""
    path = Path(layout.front)
    port = _json(path).get("port")
    return port if isinstance(port, int) and recorded(path) else None


Known = dict[int, tuple[float, float]]
"""By process: a moment, and the CPU seconds that it and all that it started had used until then."""


def workers(there: Deployed, known: Known) -> list[Worker]:
    """Every worker of the sets that serve or are warm. `known` is kept between calls: CPU needs two looks."""
    names = {there.live, there.previous}
    found = [facts for facts in there.sets if facts.run_set.name in names]
    found.sort(key=lambda facts: facts.run_set.name != there.live)
    sessions = _sessions()
    seen = [_worker(facts, number, known, sessions) for facts in found for number in range(facts.workers)]
    for pid in known.keys() - {worker.pid for worker in seen}:
        del known[pid]
    return seen


def _sessions() -> dict[int, list[int]]:
    """The processes of each session: a tenth of what it takes to ask each for its parent."""
    sessions: dict[int, list[int]] = {}
    for pid in psutil.pids():
        with suppress(OSError):
            sessions.setdefault(os.getsid(pid), []).append(pid)
    return sessions


def _worker(facts: SetFacts, number: int, known: Known, sessions: Mapping[int, list[int]]) -> Worker:
    run_set = facts.run_set
    name, record = run_set.worker(number), _json(Path(run_set.record(number)))
    restarts = record.get("restarts")
    if found := process(run_set, number):
        with suppress(psutil.Error):
            now = time.time()
            uptime = now - found.create_time()
            memory, used = _usage([found.pid, *_others(found.pid, record.get("group"), sessions)])
            moment, before = known.get(found.pid, (now - uptime, 0.0))  # first since its start, as `ps` says it
            known[found.pid] = now, used
            cpu = 100 * max(0.0, used - before) / max(now - moment, 0.1)
            state = worker_state(facts, number, uptime)
            return Worker(name, "", state, found.pid, cpu, memory, restarts, uptime, run_set.release)
    return Worker(name, "", "down", restarts=restarts, release=run_set.release)


def _others(pid: int, group: int | None, sessions: Mapping[int, list[int]]) -> Iterator[int]:
    """What a worker has started: it may be a shell, npm, or a cluster. PM2 and launch.cjs give each a session."""
    mine = (other for session in {pid, group or pid} for other in sessions.get(session, []))
    return (other for other in mine if other != pid)


def _usage(pids: list[int]) -> tuple[int, float]:
    """Bytes, and CPU seconds with those of children that have ended: what they used does not vanish with them."""
    memory, used = 0, 0.0
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            memory, used = memory + process.memory_info().rss, used + sum(process.cpu_times()[:4])
    return memory, used


def port_owner(port: int) -> str | None:
    """Who listens on a loopback port, as words; None when nobody does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "nobody, but this user may not listen there"
        except OSError:
            return _listener(port)
    return None


def _listener(port: int) -> str:
    with suppress(psutil.Error):
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr.port == port and found.pid:
                return f"`{psutil.Process(found.pid).name()}` (process {found.pid})"
    return "another program"


def strays(root: Path) -> tuple[int, ...]:
    """Process ids of our own that nothing under `root` tells of any more, as after its folder was deleted; PM2 first."""
    found = []
    for process in psutil.process_iter(["cmdline", "uids"]):
        words = " ".join(process.info["cmdline"] or ())
        ours = process.info["uids"] and process.info["uids"].real == os.getuid()
        if ours and (f"God Daemon ({root}/pm2)" in words or f" {root}/scripts/" in words):
            found.append(("God Daemon" not in words, process.pid))
    return tuple(pid for _, pid in sorted(found))


def secrets(layout: Layout) -> list[str]:
    """Secrets that were made here; an app that logs one shall not show it."""
    with suppress(OSError):
        return [path.read_text() for path in Path(layout.secrets).iterdir() if path.suffix != ".new"]
    return []


def _alive(pid_file: Path) -> bool:
    try:
        return "PM2" in " ".join(psutil.Process(int(pid_file.read_text())).cmdline())
    except (OSError, ValueError, psutil.Error):
        return False


def _link(path: Path) -> str | None:
    try:
        return path.readlink().name
    except OSError:
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
