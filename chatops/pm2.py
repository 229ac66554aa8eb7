"""PM2 as values: the workers of a run set, and the files that the Node scripts beside the app read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from chatops.frozen import frozen

SCRIPTS = Path(__file__).parent / "node"
"""Our Node scripts and the lock file of PM2 (AGPL: installed on demand from it, never bundled)."""


@frozen
class Layout:
    """Where things lie under the app's root, on the local machine and on a VPS alike (CONTRACT, "On a VPS")."""

    root: PurePosixPath
    cache: PurePosixPath | None = None
    """Where installed dependencies outlive the app; without one they lie under `root` and are pruned with the releases."""

    @property
    def run(self) -> PurePosixPath:
        """One folder of sockets a run set, and `live`, the switch of traffic."""
        return self.root / "run"

    @property
    def state(self) -> PurePosixPath:
        """Lock, journal, history, what is known of releases."""
        return self.root / "state"

    @property
    def logs(self) -> PurePosixPath:
        """Two files a worker: out and err."""
        return self.root / "logs"

    @property
    def pm2(self) -> PurePosixPath:
        """PM2_HOME, 0700."""
        return self.root / "pm2"

    @property
    def front(self) -> PurePosixPath:
        """The record of the process that faces the users."""
        return self.state / "front.json"

    def bad(self, release: str) -> PurePosixPath:
        """What marks a release that no rollback should choose."""
        return self.state / "releases" / f"{release}.bad"

    def release(self, release: str) -> PurePosixPath:
        """The unpacked tree of a release."""
        return self.root / "releases" / release

    def modules(self, key: str) -> PurePosixPath:
        """Installed dependencies, shared by all releases with the same key."""
        return (self.cache or self.root) / "modules" / key

    def env(self, digest: str) -> PurePosixPath:
        """The environment that workers read, JSON, 0600."""
        return self.root / "shared" / "env" / f"{digest}.json"

    @property
    def secrets(self) -> PurePosixPath:
        """Secrets made here, one file each, 0600."""
        return self.root / "shared" / "secrets"

    @property
    def data(self) -> PurePosixPath:
        """The app's own data; survives every release."""
        return self.root / "shared" / "data"


@frozen
class RunSet:
    """Workers that were started together: `name` is the release's id, with `.2`, `.3` for later starts of the same."""

    name: str
    app: str
    release: str
    env: str
    command: str
    secrets: tuple[str, ...]
    layout: Layout
    node: PurePosixPath | None = None
    """The Node that runs it, wherever it is started again; None: the one that starts it."""
    stores: str = ""
    """The host of the stores that it was given; empty: its own, or somebody else's altogether."""

    def worker(self, number: int) -> str:
        """PM2's name of a worker: `chat-0a1b2c3d4e-0`."""
        return f"{self.app}-{self.name}-{number}"

    @property
    def folder(self) -> PurePosixPath:
        """Sockets, worker specifications and records of this set."""
        return self.layout.run / self.name

    def socket(self, number: int) -> PurePosixPath:
        """What the worker listens on, as PORT."""
        return self.folder / f"{number}.sock"

    def ops(self, number: int) -> PurePosixPath:
        """The worker's private operations socket."""
        return self.folder / f"{number}.ops"

    def record(self, number: int) -> PurePosixPath:
        """What the worker left about its process."""
        return self.folder / f"{number}.pid.json"

    def log(self, number: int, stream: str) -> PurePosixPath:
        """The worker's log file; `stream` is out or err."""
        return self.layout.logs / f"{self.worker(number)}.{stream}.log"

    def summary(self, workers: int, proved: int) -> dict[str, Any]:
        """`set.json`: what `inspect` and the front need to know of a set; `proved` workers may have clients."""
        return {
            "name": self.name,
            "release": self.release,
            "env": self.env,
            "workers": workers,
            "proved": proved,
            "command": self.command,
            "secrets": list(self.secrets),
            **({"node": str(self.node)} if self.node else {}),
            **({"stores": self.stores} if self.stores else {}),
        }

    def specification(self, number: int) -> dict[str, Any]:
        """What launch.cjs reads."""
        return {
            "name": self.worker(number),
            "release": self.release,
            "cwd": str(self.layout.release(self.release)),
            "command": self.command,
            "socket": str(self.socket(number)),
            "ops": str(self.ops(number)),
            "data": str(self.layout.data),
            "env_file": str(self.layout.env(self.env)),
            "secrets_dir": str(self.layout.secrets),
            "secrets": list(self.secrets),
            "record": str(self.record(number)),
        }

    def process(self, number: int, scripts: PurePosixPath) -> dict[str, Any]:
        """The PM2 application of a worker; nothing secret is in it."""
        return {
            "name": self.worker(number),
            "namespace": self.name,
            "script": str(scripts / "launch.cjs"),
            "cwd": str(self.layout.root),
            "out_file": str(self.log(number, "out")),
            "error_file": str(self.log(number, "err")),
            "env": {"CHATOPS_WORKER": str(self.folder / f"{number}.json")},
            **({"interpreter": str(self.node)} if self.node else {}),
        }

    def gate(self, numbers: range, health: str, websocket: str | None, seconds: float) -> dict[str, Any]:
        """What gate.cjs reads."""
        return {
            "health": health,
            "websocket": websocket,
            "release": self.release,
            "answers": 3,
            "seconds": seconds,
            "workers": [
                {
                    "name": self.worker(number),
                    "socket": str(self.socket(number)),
                    "ops": str(self.ops(number)),
                    "record": str(self.record(number)),
                    "logs": [str(self.log(number, stream)) for stream in ("out", "err")],
                }
                for number in numbers
            ],
        }


def from_summary(value: Mapping[str, Any], app: str, layout: Layout) -> RunSet:
    """The run set that `summary` described. Raises KeyError when the file is not ours."""
    secrets, node = tuple(value["secrets"]), PurePosixPath(value["node"]) if "node" in value else None
    common = (value["name"], app, value["release"], value["env"], value["command"], secrets, layout)
    return RunSet(*common, node, str(value.get("stores", "")))


def files(run_set: RunSet, numbers: range, scripts: PurePosixPath) -> Iterator[tuple[str, Any]]:
    """(name, JSON value) of the files a set's folder needs before workers `numbers` can start."""
    yield "apps.json", [run_set.process(number, scripts) for number in numbers]
    for number in numbers:
        yield f"{number}.json", run_set.specification(number)


def front_process(layout: Layout, app: str, port: int, scripts: PurePosixPath) -> dict[str, Any]:
    """The PM2 application of the local front."""
    settings = {"port": port, "run": str(layout.run), "record": str(layout.front)}
    return {
        "name": f"{app}-front",
        "namespace": "front",
        "script": str(scripts / "front.cjs"),
        "cwd": str(layout.root),
        "out_file": str(layout.logs / "front.out.log"),
        "error_file": str(layout.logs / "front.err.log"),
        "env": {"CHATOPS_FRONT": json.dumps(settings)},
    }
