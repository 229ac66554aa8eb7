"""What the rig needs from the machine; where something is missing the test is skipped, with the command that helps."""

import os
from pathlib import Path

from tests.needs import missing, need

SYSTEM = ("/usr/bin", "/usr/sbin", "/sbin")
PROGRAMS = {
    "docker": "docker.io",
    "dockerd": "docker.io",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
}


def require_root() -> None:
    if os.geteuid() != 0:
        missing("root is needed for real hosts", "sudo -E make test")


def require_hosts() -> None:
    """All that real hosts need."""
    require_root()
    for program, package in PROGRAMS.items():
        need(program, package, *SYSTEM)


def program(name: str) -> Path:
    """The path of a program of the distribution, which goes before one of the same name elsewhere on PATH."""
    return need(name, PROGRAMS.get(name, name), *SYSTEM)


def mortal(*argv: str | Path, sign: str = "KILL") -> list[str | Path]:
    """The command line of a server that gets `sign` when the process that starts it ends, however that ends."""
    return [program("setpriv"), "--pdeathsig", sign, *argv]
