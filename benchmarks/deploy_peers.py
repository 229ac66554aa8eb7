"""pyinfra and ansible-core from PyPI, each in an environment of its own, as programs that deploy the same app to a host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.yard import Yard

HERE = Path(__file__).parent / "peers" / "deploy"
PACKAGES = {"pyinfra": "pyinfra>=3.10,<3.11", "ansible": "ansible-core>=2.19,<2.20"}
ECOSYSTEM = "module.exports = {apps: [{name: 'peer', script: 'server.js', instances: 2, exec_mode: 'cluster'}]}\n"
SITE = "server { listen 127.0.0.1:8900; location / { proxy_pass http://127.0.0.1:3900; } }\n"


@dataclass
class Peer:
    """A program with what it is told; `address` and `port` are how it reaches the host."""

    name: str
    program: Path
    folder: Path
    yard: Yard
    address: str
    port: int
    environment: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Deploys. Ends the benchmark with what the peer said when it fails."""
        words = _pyinfra(self) if self.name == "pyinfra" else _ansible(self)
        ansible = {"ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_HOME": str(self.folder / "ansible-home")}
        environment = {**os.environ, **self.environment, **ansible}
        done = subprocess.run([self.program, *words], capture_output=True, text=True, env=environment, timeout=300, check=False)
        if done.returncode:
            sys.exit(f"{self.name} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def peer(name: str, folder: Path, yard: Yard, address: str, port: int) -> Peer:
    """Installed once; pyinfra wants another paramiko than Fabric does."""
    (app := yard.folder / "app").joinpath("ecosystem.config.cjs").write_text(ECOSYSTEM)
    (site := folder / "site.conf").write_text(SITE)
    environment = folder / name
    if not environment.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([environment / "bin/pip", "install", "-q", PACKAGES[name]], check=True, capture_output=True)
    program = environment / "bin" / ("pyinfra" if name == "pyinfra" else "ansible-playbook")
    return Peer(name, program, folder, yard, address, port, {"APP": str(app), "SITE": str(site)})


def _pyinfra(peer: Peer) -> list[str]:
    """Its arguments."""
    known = peer.folder / f"known_hosts.{peer.address}"
    keys = (line.split(" ", 1)[1] for line in peer.yard.host.known_hosts.splitlines())
    name = peer.address if peer.port == 22 else f"[{peer.address}]:{peer.port}"
    known.write_text("".join(f"{name} {key}\n" for key in keys))
    data = {"ssh_port": peer.port, "ssh_key": peer.yard.host.identity, "ssh_known_hosts_file": known}
    given = [word for pair in data.items() for word in ("--data", "=".join(map(str, pair)))]
    return ["-y", "--user", "root", *given, peer.address, str(HERE / "pyinfra_deploy.py")]


def _ansible(peer: Peer) -> list[str]:
    """Its arguments."""
    given: dict[str, Any] = {
        "app": peer.environment["APP"],
        "site": peer.environment["SITE"],
        "ansible_port": peer.port,
        "ansible_ssh_private_key_file": str(peer.yard.host.identity),
    }
    options = "-o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
    place = ["-i", f"{peer.address},", "-u", "root", "--ssh-common-args", options]
    return [*place, "-e", json.dumps(given), str(HERE / "playbook.yml")]
