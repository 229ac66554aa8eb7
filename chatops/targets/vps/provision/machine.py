"""One host as provisioning sees it: who it is, what it does, where things lie, and how a step remembers what it applied."""

from __future__ import annotations

import hashlib
from dataclasses import field, replace
from pathlib import PurePosixPath

from chatops.frozen import frozen
from chatops.model import App
from chatops.pm2 import Layout
from chatops.program import ShellStep
from chatops.shell import words, write
from chatops.targets.vps.config import Block, Host, Role

HOST = PurePosixPath("/var/lib/chatops/.host")
"""What was done to a host for all apps of ours together: noted here, and undone when the last of them goes."""
PRIVATE_PORT = 8000
"""Where the nginx of an app host answers the balancer, in a fleet."""


@frozen
class Node:
    """A Node.js to install: its version, and the SHA-256 of its archive ("": it is on the host already)."""

    version: str
    archive: str = ""
    digest: str = ""


@frozen(kw_only=True)
class RootStep(ShellStep):
    """A step that root does on `host`; `digest` tells whether it was applied as it is now."""

    host: str
    digest: str = ""


@frozen(kw_only=True)
class AppStep(ShellStep):
    """A step that the app's user does on `host`."""

    host: str


@frozen(kw_only=True)
class Peers:
    """The addresses that hosts have for each other; empty where one host does everything."""

    balancer: str = ""
    apps: tuple[str, ...] = ()
    data: str = ""


@frozen(kw_only=True)
class Machine:
    """A host, the app that it is for, and the `workers` that its nginx leads to. `scripts` are our Node scripts there."""

    app: App
    block: Block
    host: Host
    roles: tuple[Role, ...]
    layout: Layout
    workers: int
    node: Node
    scripts: PurePosixPath
    pm2: PurePosixPath
    peers: Peers = field(default_factory=Peers)
    equipped: bool = False
    """Whether `scripts` are there already."""

    @property
    def name(self) -> str:
        """The app's name: also that of its user, its site, its database."""
        return self.app.name

    @property
    def alone(self) -> bool:
        """Whether this host does everything."""
        return not self.peers.apps

    @property
    def secure(self) -> bool:
        """Whether TLS ends on this host."""
        return self.block.tls is not None and "balancer" in self.roles

    @property
    def runtime(self) -> PurePosixPath:
        """Its Node.js."""
        return self.layout.root / "runtime" / self.node.version

    @property
    def node_program(self) -> PurePosixPath:
        """What runs the scripts and the workers."""
        return self.runtime / "bin" / "node"

    @property
    def store(self) -> PurePosixPath:
        """Root's own folder for the app: programs, journal, stamps. Nobody else may write in it."""
        return store(self.name)

    @property
    def lock(self) -> PurePosixPath:
        """The one lock of the app on this host: root's file, which the app's user may hold, too."""
        return self.store / "lock"

    @property
    def stamps(self) -> PurePosixPath:
        """One file a step with the digest of what was applied."""
        return self.store / "stamps"

    def step(self, name: str, title: str, action: str, limit: float = 120.0, key: str = "") -> RootStep:
        """A step of root's that leaves its stamp when it is done; `key`: what decides whether it is done, else its text."""
        digest = hashlib.sha256((key or action).encode()).hexdigest()[:16]
        stamp = words(self.stamps / name)
        text = f"{action.strip()}\nprintf %s {digest} >{stamp}\nchmod 644 {stamp}"
        return RootStep(
            name=name, title=title, reason="create", action=text, digest=digest, limit=limit, host=self.host.address
        )


def readable(path: str | PurePosixPath, text: str) -> str:
    """Commands that write a file of the system's for everybody to read: systemd complains of others at each of its reloads."""
    return f"(\numask 022\nmkdir -p {words(PurePosixPath(path).parent)}\n{write(path, text)}\n)"


def store(app: str) -> PurePosixPath:
    """Root's folder for an app."""
    return PurePosixPath("/var/lib/chatops") / app


def as_user(name: str, command: str) -> str:
    """A command (words, the first a program) as the app's user: what it may not do, root must not do for it."""
    return f"{words('runuser', '-u', name, '--')} {command}"


def inside(folder: PurePosixPath, owner: str) -> str:
    """Commands that enter a folder which the app's user could have exchanged, as long as it is `owner`'s own and no link.

    What root then does to relative names happens there, whatever becomes of the path meanwhile.
    """
    path = words(folder)
    return f"""\
cd -P {path} || exit
if [ "$(pwd)" != {path} ] || [ "$(stat -c %U .)" != {words(owner)} ]; then
  echo {words(f"{folder} is not the folder of {owner} that it should be: move it away")}
  exit 1
fi"""


def for_user(step: ShellStep, host: str) -> AppStep:
    """A step that every host with PM2 shares, as one of this host."""
    common = {name: getattr(step, name) for name in ("name", "title", "reason", "detail", "limit", "proves", "check", "action")}
    return AppStep(host=host, **common)


def titled(step: ShellStep, host: str) -> ShellStep:
    """The same step with its host's name before the title, for fleets."""
    return replace(step, title=f"{host}: {step.title}")
