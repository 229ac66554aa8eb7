"""Loopback addresses of the hosts' own: 127.0.1.N, each claimed by one session at a time."""

import contextlib
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.rig.cache import hold
from tests.rig.process import RigError

NUMBERS = range(2, 250)


@dataclass
class Claim:
    """The address 127.0.1.`number`, ours until `close` or the end of this process."""

    number: int
    _lock: IO[str] = field(repr=False)

    @property
    def address(self) -> str:
        return f"127.0.1.{self.number}"

    def close(self) -> None:
        self._lock.close()


def claim() -> Claim:
    """A number that nobody holds. Raises RigError when all are held."""
    for number in NUMBERS:
        lock = hold(f"address-{number}")
        if lock:
            return Claim(number, lock)
    raise RigError("every address 127.0.1.N is claimed")


def is_claimed(number: int) -> bool:
    """Does a living session hold 127.0.1.`number`?"""
    lock = hold(f"address-{number}")
    if lock:
        lock.close()
    return lock is None


def free(address: str, port: int) -> int:
    """`port` where nobody listens on it, else a free one (a machine whose own sshd listens everywhere)."""
    for wanted in (port, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, wanted))
            return int(probe.getsockname()[1])
    raise RigError(f"no free port at {address}")


def free_ports(address: str, count: int) -> list[int]:
    """Different ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server((address, 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def listening(address: str, port: int) -> bool:
    """Does a server listen there? Looks at the kernel's table, so that the server sees no client."""
    number = int.from_bytes(socket.inet_aton(address), sys.byteorder)
    return any(f" {number:08X}:{port:04X} 00000000:0000 0A " in line for line in Path("/proc/net/tcp").open())
