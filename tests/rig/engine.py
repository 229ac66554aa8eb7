"""The container engine: the one that runs already, else a dockerd of our own that ends with its last user."""

import ipaddress
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.rig.cache import cache, hold, locked, state
from tests.rig.process import RigError, run, wait_until
from tests.rig.require import mortal, program

LABEL = "chatops.rig"
NETWORK = "chatops-rig"
SYSTEM_SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 60


@dataclass
class Engine:
    """A running engine. `close` gives it up; our own dockerd ends when nobody holds it any more."""

    socket: Path
    _held: IO[str] | None = field(default=None, repr=False)

    @classmethod
    def open(cls) -> "Engine":
        """The machine's engine, else ours, started if need be. Raises RigError with dockerd's log when it does not start."""
        if answers(SYSTEM_SOCKET):
            return cls(SYSTEM_SOCKET)
        held = hold("users", shared=True, wait=True)
        with locked("engine"):
            if not answers(own_socket()):
                _start()
        return cls(own_socket(), held)

    def close(self) -> None:
        if self._held:
            self._held.close()

    def docker(
        self, *argv: str | Path, input: bytes = b"", seconds: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """One call of the `docker` command."""
        return run(program("docker"), "--host", f"unix://{self.socket}", *argv, input=input, seconds=seconds, check=check)

    def lines(self, *argv: str) -> list[str]:
        """The lines that a `docker` command prints."""
        return self.docker(*argv).stdout.decode().split("\n")[:-1]

    def has_image(self, image: str) -> bool:
        return self.docker("image", "inspect", image, check=False).returncode == 0

    def network(self) -> ipaddress.IPv4Network:
        """The hosts' own network, made on first use; its first address is this machine, seen from inside a host."""
        with locked("network"):
            if NETWORK not in self.lines("network", "ls", "--format", "{{.Name}}"):
                free = _free_network()
                forget_rules(free)
                self.docker("network", "create", "--subnet", str(free), NETWORK)
        [made] = json.loads(self.docker("network", "inspect", NETWORK).stdout)
        return ipaddress.IPv4Network(made["IPAM"]["Config"][0]["Subnet"])

    def gateway(self) -> str:
        """This machine's address as the hosts see it."""
        return str(self.network()[1])


def own_socket() -> Path:
    return state() / "docker.sock"


def answers(socket: Path) -> bool:
    """Is there an engine behind `socket`?"""
    asked = (program("docker"), "--host", f"unix://{socket}", "version", "--format", "{{.Server.Version}}")
    return socket.exists() and run(*asked, check=False, seconds=30).returncode == 0


def dockerd() -> list[str | Path]:
    """The command line of our own engine."""
    folders = ("--data-root", cache() / "docker", "--exec-root", state() / "docker", "--pidfile", state() / "dockerd.pid")
    return mortal(program("dockerd"), "--host", f"unix://{own_socket()}", *folders, sign="TERM")


def log() -> Path:
    return state() / "dockerd.log"


def _start() -> None:
    """Start the guard, which starts dockerd and ends it after the last user."""
    root = Path(__file__).parent.parent.parent
    guard = subprocess.Popen(
        [sys.executable, "-m", "tests.rig.guard"], cwd=root, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"/usr/sbin:/usr/bin:/sbin:/bin:{os.environ.get('PATH', '')}"},
    )  # fmt: skip
    try:
        wait_until("dockerd answers", lambda: guard.poll() is not None or answers(own_socket()), START_SECONDS)
    except RigError:
        guard.terminate()
    if guard.poll() is not None or not answers(own_socket()):
        raise RigError(f"dockerd does not start:\n{log().read_text()[-3000:]}")


def _free_network() -> ipaddress.IPv4Network:
    """A private /24 that no route of this machine touches."""
    routes = _routes()
    for number in range(100, 250):
        network = ipaddress.IPv4Network(f"10.213.{number}.0/24")
        if not any(network.overlaps(route) for route in routes):
            return network
    raise RigError("no free private network for the hosts")


def forget_rules(network: ipaddress.IPv4Network) -> None:
    """Delete what an engine that was killed left of a network that nobody has now: it would hide hosts from each other."""
    table = (program("iptables"), "--wait", "--table", "nat")
    for line in run(*table, "--list-rules", "POSTROUTING").stdout.decode().splitlines():
        _, chain, *words = shlex.split(line)
        source = words[words.index("-s") + 1] if "-s" in words else "0.0.0.0/0"
        if ipaddress.IPv4Network(source).subnet_of(network):
            run(*table, "--delete", chain, *words)


def _routes() -> list[ipaddress.IPv4Network]:
    found: list[dict[str, Any]] = json.loads(run(program("ip"), "-j", "-4", "route").stdout)
    return [ipaddress.IPv4Network(route["dst"], strict=False) for route in found if route["dst"] != "default"]
