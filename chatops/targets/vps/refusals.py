"""What keeps an app off a host: told before anything is sent."""

from __future__ import annotations

from pathlib import PurePosixPath

from chatops.errors import ConfigError, StepFailed
from chatops.targets.vps.facts import HostFacts
from chatops.targets.vps.provision import site
from chatops.targets.vps.provision.machine import Machine

WORKER_BYTES = 70 * 1024**2
BASE_BYTES = 200 * 1024**2
LEAST_DISK = 50 * 1024**2
LEAST_INODES = 2000
"""What a deploy of a small app takes; what has grown larger is refused by the host itself while it is sent."""


def memory_needed(machine: Machine) -> int:
    """Bytes that a deploy takes while old and new workers run side by side, and a reserve for the rest."""
    return 2 * machine.workers * WORKER_BYTES + BASE_BYTES


def room(facts: HostFacts, root: PurePosixPath) -> None:
    """Raises StepFailed where the disk is so full that a deploy would fail half-way, or the app's databases next."""
    hint = "free some space there, or give it a larger disk: nothing was changed"
    if facts.disk_free < LEAST_DISK:
        free, needed = facts.disk_free // 1024**2, LEAST_DISK // 1024**2
        raise StepFailed(f"`{facts.host}` has {free} MiB free on {root}, {needed} MiB are needed", hint)
    if 0 < facts.inodes_free < LEAST_INODES:  # some file systems have no limit, and say 0
        raise StepFailed(f"`{facts.host}` has {facts.inodes_free} inodes free on {root}, {LEAST_INODES} are needed", hint)


def place(machine: Machine, facts: HostFacts) -> None:
    """Raises ConfigError where nginx could not tell this app's requests from those of another one of ours."""
    for port in site.nameless(machine):
        if other := facts.taken.get(port):
            message = f"`{facts.host}` has the app `{other}` already, which answers on port {port} for any host name"
            hint = "give each a `domain`" if port == 80 else "a host can be part of one fleet only: use others for this app"
            raise ConfigError(message, hint)
