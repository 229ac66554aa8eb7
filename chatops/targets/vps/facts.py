"""What one look at a host tells, and what a look is asked for; values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from chatops.deployed import Deployed
from chatops.frozen import frozen
from chatops.model import Lock, Worker
from chatops.pm2 import Layout

Firewall = Literal["active", "inactive", "absent", "unknown"]


@frozen(kw_only=True)
class Questions:
    """What a look is asked for. `runtimes` holds one folder a Node version, `stamps` one file a provisioning step, with the
    digest of what was applied; `markers` are files whose content is wanted (each at most 64 KiB), `certificate` one in PEM.
    `health`: the path at which the app tells of itself in private; empty: it is not asked."""

    app: str
    layout: Layout
    pm2: PurePosixPath
    runtimes: PurePosixPath
    stamps: PurePosixPath
    lock: PurePosixPath
    packages: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    markers: tuple[PurePosixPath, ...] = ()
    certificate: PurePosixPath | None = None
    health: str = ""


@frozen
class Unit:
    """A systemd unit, in systemd's words: `active` (active, inactive, failed, ...), `enabled` (enabled, disabled, ...)."""

    active: str
    enabled: str


@frozen
class Listening:
    """A TCP port that something listens on; `program` is empty where we may not know."""

    port: int
    address: str
    program: str = ""


@frozen(kw_only=True)
class HostFacts:
    """One host at one moment. Sizes in bytes, `skew` in seconds (their clock minus ours), `load` over one minute."""

    host: str
    os: str = ""
    os_version: str = ""
    codename: str = ""
    arch: str = ""
    glibc: str = ""
    user: str = ""
    uid: int = -1
    port: int = 0
    """The one of its sshd through which we came in; 0: not known."""
    root: bool = False
    """Whether we may become root without a password."""
    disk_free: int = 0
    inodes_free: int = 0
    memory: int = 0
    memory_free: int = 0
    cores: int = 1
    load: float = 0.0
    skew: float = 0.0
    reboot_required: bool = False
    app_user: bool = False
    packages: Mapping[str, str] = field(default_factory=dict)
    """Installed ones of those that were asked for, with their versions."""
    units: Mapping[str, Unit] = field(default_factory=dict)
    """Existing ones of those that were asked for."""
    listening: tuple[Listening, ...] = ()
    firewall: Firewall = "unknown"
    rules: frozenset[str] | None = None
    """What ufw lets in: `allow PORT/tcp`, `allow from ADDRESS to any port PORT proto tcp`; None where we may not know."""
    runtimes: tuple[str, ...] = ()
    """Node versions that are unpacked."""
    tools: tuple[str, ...] = ()
    """Folders of other versions of PM2, from which it does not run."""
    daemon_runtime: str = ""
    """The one that PM2 itself runs on; empty where it does not run, or that can't be seen."""
    certificate_left: float | None = None
    """Seconds until the certificate that was asked about ends, negative after that; None where it can't be read."""
    taken: Mapping[int, str] = field(default_factory=dict)
    """Ports where another app of ours answers for any host name, each with that app's name."""
    stamps: Mapping[str, str] = field(default_factory=dict)
    """What provisioning applied: step -> digest."""
    markers: Mapping[PurePosixPath, str] = field(default_factory=dict)
    there: Deployed = field(default_factory=Deployed)
    workers: tuple[Worker, ...] = ()
    """Every worker of the sets that serve or are warm, its CPU since its start."""
    checks: Mapping[str, Any] = field(default_factory=dict)
    """The `checks` of what the first worker that serves tells of itself in private."""
    lock: Lock | None = None


# ---------------------------------------------------------------- what is carried to a host


@frozen
class Member:
    """A file that travels in the one tar stream. Secret ones are 0600; `path` is absolute, and appears by rename."""

    path: PurePosixPath
    content: bytes | Path
    mode: int = 0o600


@frozen(kw_only=True)
class Program:
    """One phase's program for one host, as `carry` starts it: detached, as `user` (`root`, or the app's), under the lock.

    `state` is the folder of `PHASE.sh`, `journal.ndjson` and `stop`: the app's own for the app's user, one of root's for
    root, so that root never runs what somebody else could have written. `proofs` names the steps whose failure is Unhealthy.
    """

    phase: str
    text: str
    user: str
    state: PurePosixPath
    lock: PurePosixPath
    """The one lock of the app on the host, whoever works there."""
    titles: Mapping[str, str]
    goal: str = ""
    left: tuple[str, ...] = ()
    """The phases that are to follow on this host."""
    proofs: frozenset[str] = frozenset()
    members: tuple[Member, ...] = ()
    """Shipped before the program starts, as `user`."""
