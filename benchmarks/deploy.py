"""Deploys to a real host over SSH: chatops beside pyinfra and ansible-core, which do the same work without a gate."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.table import report, timed
from tests.e2e.yard import Yard, provisioned
from tests.rig.host import Host
from tests.rig.mirror import node_mirror
from tests.rig.rig import Rig

ROUNDS = int(os.environ.get("ROUNDS", "5"))
HERE = Path(__file__).parent / "peers" / "deploy"
ECOSYSTEM = "module.exports = {apps: [{name: 'peer', script: 'server.js', instances: 2, exec_mode: 'cluster'}]}\n"
SITE = "server { listen 127.0.0.1:8900; location / { proxy_pass http://127.0.0.1:3900; } }\n"
PEERS = {"pyinfra": "pyinfra>=3.10,<3.11", "ansible-playbook": "ansible-core>=2.19,<2.20"}
COLUMNS = ("what", "who", "min", "median", "max")


def main() -> None:
    """Prints the table and writes the results."""
    with tempfile.TemporaryDirectory() as name, Rig.open() as rig, node_mirror(rig.engine.gateway()) as mirror:
        folder = Path(name)
        image = provisioned(rig, mirror, folder / "image")
        with rig.borrowed(image) as host:
            (place := folder / "yard").mkdir()
            yard = Yard(place, [host], mirror)
            yard.served()
            rows = compare(yard, peers(folder, yard))
            rows.append(["round trips, nothing to do", "chatops", *[str(round_trips(rig, yard))] * 3])
    notes = [f"{ROUNDS} rounds, taken in turns, on one host. chatops proves a release twice, the others do not."]
    report("deploy", "Deploys to a server over SSH, in seconds", COLUMNS, rows, notes)


def compare(yard: Yard, others: dict[str, Callable[[], object]]) -> list[list[str]]:
    """Nothing to do, one file changed, and the way back, each measured in turns."""
    works: dict[str, Callable[[], object]] = {"chatops": lambda: yard.chatops("deploy", "vps", "--yes", "-q"), **others}
    for work in works.values():
        work()
    seconds: dict[tuple[str, str], list[float]] = {}
    for number in range(ROUNDS):
        for who, work in works.items():
            seconds.setdefault(("nothing to do", who), []).append(timed(work))
        yard.change(f"round {number}")
        for who, work in works.items():
            seconds.setdefault(("one file changed", who), []).append(timed(work))
        back = timed(lambda: yard.chatops("rollback", "vps", "--yes", "-q"))
        seconds.setdefault(("rollback, warm", "chatops"), []).append(back)
    return sorted([*what, *figures(values)] for what, values in seconds.items())


def figures(values: list[float]) -> list[str]:
    """Minimum, median and maximum as text."""
    return [f"{value:.2f}" for value in (min(values), statistics.median(values), max(values))]


def peers(folder: Path, yard: Yard) -> dict[str, Callable[[], object]]:
    """Each in an environment of its own: pyinfra wants another paramiko than Fabric does."""
    (app := yard.folder / "app").joinpath("ecosystem.config.cjs").write_text(ECOSYSTEM)
    (site := folder / "site.conf").write_text(SITE)
    known = folder / "known_hosts"
    known.write_text(yard.host.known_hosts)
    environment = {**os.environ, "APP": str(app), "SITE": str(site), "ANSIBLE_HOST_KEY_CHECKING": "False"}
    commands = {"pyinfra": pyinfra(yard.host, known), "ansible-playbook": ansible(yard.host, app, site)}
    made: dict[str, Callable[[], object]] = {}
    for name, command in commands.items():
        program = install(folder / name, PEERS[name]) / name
        made[name] = lambda words=[str(program), *command]: run(words, environment)  # type: ignore[misc]
    return made


def install(folder: Path, package: str) -> Path:
    """The folder of a package's programs."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", package], check=True)
    return folder / "bin"


def pyinfra(host: Host, known: Path) -> list[str]:
    """Its arguments."""
    data = {"ssh_port": host.port, "ssh_key": host.identity, "ssh_known_hosts_file": known}
    return ["-y", "--user", "root", *(word for pair in data.items() for word in ("--data", "=".join(map(str, pair)))),
            host.address, str(HERE / "pyinfra_deploy.py")]  # fmt: skip


def ansible(host: Host, app: Path, site: Path) -> list[str]:
    """Its arguments."""
    given: dict[str, Any] = {
        "app": str(app),
        "site": str(site),
        "ansible_port": host.port,
        "ansible_ssh_private_key_file": str(host.identity),
    }
    place = [
        "-i",
        f"{host.address},",
        "-u",
        "root",
        "--ssh-common-args",
        "-o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes",
    ]
    return [*place, "-e", json.dumps(given), str(HERE / "playbook.yml")]


def run(command: list[str], environment: dict[str, str]) -> None:
    """Raises with what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def round_trips(rig: Rig, yard: Yard) -> int:
    """How often a deploy with nothing to do waits for the host."""
    entry = yard.entry
    with rig.link(yard.host) as link:
        yard.entry = lambda host: {**entry(host), "address": link.address, "port": link.port}  # type: ignore[method-assign]
        yard.configure()
        before = link.traffic.round_trips
        yard.chatops("deploy", "vps", "--yes")
        trips = link.traffic.round_trips - before
    yard.entry = entry  # type: ignore[method-assign]
    yard.configure()
    return trips


if __name__ == "__main__":
    main()
