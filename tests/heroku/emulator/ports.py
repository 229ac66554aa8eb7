"""Ports for servers that are told their number: below those that the system gives to outgoing connections."""

import secrets
import socket
from pathlib import Path

LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_LOW = 32_768
TRIES = 200


def free() -> int:
    """A loopback port that nobody has; an outgoing connection can't take it before the server listens."""
    low = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _USUAL_LOW
    for _ in range(TRIES):
        port = LOWEST + secrets.randbelow(max(low, LOWEST + 1000) - LOWEST)
        with socket.socket() as probe:
            if _can_bind(probe, port):
                return port
    raise OSError("no free loopback port")


def _can_bind(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
