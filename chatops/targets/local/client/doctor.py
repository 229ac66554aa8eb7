"""What a deploy on this machine would need; reads only."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from chatops.errors import TargetError
from chatops.targets.base import Finding
from chatops.targets.local.client import node
from chatops.targets.local.config import Block
from chatops.targets.local.plan import LocalState

WORKER_BYTES = 60 * 1024 * 1024
DAEMON_BYTES = 70 * 1024 * 1024
LEAST_DISK = 300 * 1024 * 1024


def findings(root: Path, block: Block, state: LocalState) -> list[Finding]:
    """One line for each thing that has stopped somebody's deploy before."""
    return [*_node(), _disk(root), _memory(block), *_port(block, state), *_processes(state)]


def _node() -> Iterator[Finding]:
    try:
        found = node.find()
    except TargetError as error:
        yield Finding("node", "error", error.message, error.hint)
        return
    yield Finding("node", "ok", f"Node.js {found.version} at {found.program}")
    folder = node.pm2_folder(found)
    there = (folder / "node_modules" / "pm2").exists()
    yield Finding(
        "pm2", "ok", f"installed in {folder}" if there else "will be installed by the first deploy (needs npm's registry)"
    )


def _disk(root: Path) -> Finding:
    place = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    message = f"{free // 1024**2} MiB free at {place}"
    return Finding("disk", "ok", message) if free > LEAST_DISK else Finding("disk", "error", message, "free some space first")


def _memory(block: Block) -> Finding:
    """A deploy runs old and new workers side by side."""
    needed = 2 * block.workers * WORKER_BYTES + DAEMON_BYTES
    free = psutil.virtual_memory().available
    message = f"{free // 1024**2} MiB available, about {needed // 1024**2} MiB needed"
    return (
        Finding("memory", "ok", message)
        if free > needed
        else Finding("memory", "warning", message, "fewer `workers` need less")
    )


def _port(block: Block, state: LocalState) -> Iterator[Finding]:
    if state.port_owner:
        yield Finding("port", "error", f"port {block.port} is taken by {state.port_owner}", "stop it, or set another `port`")
    else:
        yield Finding("port", "ok", f"port {block.port} is " + ("ours" if state.front_port else "free"))


def _processes(state: LocalState) -> Iterator[Finding]:
    if state.there.live and not state.there.daemon:
        yield Finding("pm2 daemon", "warning", "not running: workers that end are not restarted", "`chatops deploy` mends it")
    for worker in state.workers:
        if worker.state == "down":
            yield Finding("worker", "error", f"{worker.name} is down", "`chatops logs` says why; `chatops restart` replaces it")
    if state.lock:
        since = int(time.time() - state.lock.since)
        yield Finding(
            "lock", "warning", f"{state.lock.who} runs `{state.lock.what}` for {since} s", "`chatops attach` watches it"
        )
