"""A project folder whose target is real hosts, with the real `chatops` command run in it."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import chatops
from tests.e2e.project import Project
from tests.rig.host import Host
from tests.rig.mirror import Mirror
from tests.rig.rig import Rig

SAMPLE = Path(__file__).parents[2] / "sample_app"
PACKAGES = ("nginx", "logrotate", "redis-server", "postgresql", "ufw", "curl", "xz-utils", "ca-certificates")


class Yard(Project):
    """A folder with chatops.yaml, a copy of the sample chat, and a target `vps`."""

    limit = 280
    inside = "http://127.0.0.1/health"
    """How curl asks on a host what users ask from outside."""

    def __init__(self, folder: Path, hosts: Iterable[Host], mirror: Mirror, **block: Any) -> None:
        super().__init__(folder, XDG_CACHE_HOME=str(folder / "cache"))
        self.hosts = list(hosts)
        self.block: dict[str, Any] = {"node_mirror": mirror.url, **block}
        self.secrets: dict[str, Any] = {"SESSION_SECRET": {"generate": 32}}
        shutil.copytree(SAMPLE, folder / "app", ignore=shutil.ignore_patterns("node_modules", "test", "data"))
        self.configure()

    @property
    def host(self) -> Host:
        """The first of the hosts."""
        return self.hosts[0]

    @property
    def front(self) -> Host:
        """The one that users talk to."""
        return self.hosts[0]

    def entry(self, host: Host) -> dict[str, Any]:
        """A host as the file has it."""
        login = {"user": "root", "port": host.port, "identity": str(host.identity)}
        return {"address": host.address, "host_key": host.host_key, "private": host.private, **login}

    def configure(self, roles: Iterable[list[str]] = (), **env: str) -> None:
        """Writes the file anew."""
        entries = [self.entry(host) for host in self.hosts]
        for entry, given in zip(entries, roles, strict=False):
            entry["roles"] = given
        app = {"name": "chat", "path": "app", "websocket": "/ws", "env": env, "secrets": self.secrets}
        file = {"version": 1, "app": app, "targets": {"vps": {"hosts": entries, **self.block}}}
        (self.folder / "chatops.yaml").write_text(json.dumps(file))

    def change(self, text: str) -> None:
        """Changes one file of the app."""
        (self.folder / "app" / "public" / "note.txt").write_text(text)

    def deploy(self, *words: str, code: int = 0) -> dict[str, Any]:
        """A deploy's last event."""
        return self.events("deploy", "vps", "--yes", *words, code=code)[-1]

    def deploy_dead(self, server: str = "process.exit(3)\n") -> dict[str, Any]:
        """The last event of a deploy of a `server` that ends at once; afterwards the folder is as it was."""
        file = self.folder / "app" / "server.js"
        text = file.read_text()
        file.write_text(server)
        finished = self.deploy(code=5)
        file.write_text(text)
        return finished

    def connection(self, host: Host | None = None) -> http.client.HTTPConnection:
        """To the public address of a host."""
        found = host or self.front
        return http.client.HTTPConnection(found.address, found.ports[80], timeout=5)

    def health(self, host: Host | None = None) -> dict[str, Any]:
        """What the public address of a host answers."""
        with closing(self.connection(host)) as connection:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            return dict(json.load(answer))

    def served(self, host: Host | None = None) -> str:
        """The release that answers, once a host that has just booted is there."""
        good = f"for n in 1 2 3 4 5 6; do curl -sf -o /dev/null {self.inside} || exit 1; sleep 0.1; done"
        (host or self.front).run(f"timeout 60 sh -c 'until ({good}); do sleep 0.2; done'")
        return str(self.health(host)["release"])


def leads_to(host: Host, link: str = "live") -> str:
    """The release of the set that a link of the app's on a host leads to."""
    return host.run(f"readlink /srv/chat/run/{link}").out.partition(".")[0].strip()


def harm(finished: dict[str, Any]) -> dict[str, int]:
    """What users felt of a change, as far as it hurt."""
    felt = finished["impact"]
    assert felt["requests"] > 0
    return {name: felt[name] for name in ("failed", "lost", "doubled") if felt[name]}


def provisioned(rig: Rig, mirror: Mirror, folder: Path) -> str:
    """The image of a host on which the sample chat was deployed; made once for each state of the tool and the app."""

    def bootstrap(host: Host) -> None:
        yard = Yard(folder / "bootstrap", [host], mirror)
        yard.deploy()

    folder.joinpath("bootstrap").mkdir(parents=True, exist_ok=True)
    return rig.variant("chat", bootstrap, key=_digest(), image=rig.warm(*PACKAGES))


def _digest() -> str:
    source = Path(chatops.__file__).parent
    names = [*source.glob("*.py"), *source.glob("node/*"), *source.glob("targets/vps/**/*.py"), *SAMPLE.rglob("*")]
    files = (path for path in sorted(names) if path.is_file() and "node_modules" not in path.parts)
    content = b"".join(path.read_bytes() for path in files)
    return hashlib.sha256(content).hexdigest()[:12]
