"""How a connection is made, and the only place where one is: the host's key is judged before anybody logs in.

The SSH library (0.25 s) is imported with this module: on the loop, never on a thread that dials. Where two threads import
modules that import each other, Python raises _DeadlockError in one of them.
"""

from __future__ import annotations

import logging
import random
import socket
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from fabric import Config, Connection

from chatops.limits import LIMITS
from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.keys import KINDS, HostKey, Known, judge
from chatops.targets.vps.client.login import Login, SilentAgent

WEAK = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
}
UNACKNOWLEDGED_MS = 30_000
LAST = 2 * int(LIMITS.connect)
"""The library's own deadlines, in seconds: whoever dials has a shorter one and a better message."""


@dataclass(slots=True)
class Dial:
    """One try: may be aborted from outside while it is made."""

    host: HostAddress
    known: Known
    without: frozenset[str] = frozenset()
    stream: socket.socket | None = None
    proxy: subprocess.Popen[bytes] | None = None
    login: Login = field(init=False)

    def __post_init__(self) -> None:
        self.login = Login(self.host)

    def make(self) -> Any:
        """A Fabric Connection, logged in. Blocks. Raises Refused, and what the library raises."""
        self.stream = self._through(self.host.proxy) if self.host.proxy else _direct(self.host)
        connection = _factory(self.login, self.stream, _algorithms(self.known, self.without))
        connection.client.set_missing_host_key_policy(_Policy(lambda key: judge(self.host, self.known, key)))
        connection.open()
        return connection

    def _through(self, command: str) -> socket.socket:
        """A jump host: another program, in a session of its own, so that Ctrl-C does not end it before us."""
        ours, theirs = socket.socketpair()
        with theirs:
            shell = ["/bin/sh", "-c", f"exec {command}"]
            self.proxy = subprocess.Popen(  # noqa: S603  what the user's ssh_config says
                shell, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL, start_new_session=True
            )
        return ours

    def abort(self) -> None:
        """Breaks the connection; every read and write on it returns. Does not block."""
        self.login.agent.abort()
        if self.stream is not None:
            _hang_up(self.stream)
        if self.proxy is not None:
            self.proxy.terminate()
            self.proxy.poll()

    def fault(self, error: Exception) -> Exception:
        """What was really the matter: a host is not to blame for the time that the agent took."""
        agent = self.login.agent
        return SilentAgent(agent.path) if agent.silent and isinstance(error, TimeoutError) else error


def _direct(host: HostAddress) -> socket.socket:
    stream = socket.create_connection(host.place, LIMITS.connect)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    return stream


def _hang_up(stream: socket.socket) -> None:
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _algorithms(known: Known, without: Iterable[str]) -> dict[str, list[str]]:
    """What is turned off: the weak, and the kinds of host key that could not be checked."""
    off = {kind for kind in KINDS if known.kinds and kind not in known.kinds} | set(without)
    return {**WEAK, "keys": [algorithm for kind in off for algorithm in KINDS.get(kind, [])]}


class _Policy:
    """Stands where Fabric would accept any key; called before anybody logs in."""

    def __init__(self, judge: Callable[[HostKey], None]) -> None:
        self._judge = judge

    def missing_host_key(self, client: object, hostname: str, key: Any) -> None:
        self._judge(HostKey(key.get_name(), key.get_base64()))


def _factory(login: Login, stream: socket.socket, off: dict[str, list[str]]) -> Any:
    """Fabric with everything decided here: no ssh_config of its own, no forwarding, no search for keys, deadlines."""
    library = logging.getLogger("paramiko")
    library.handlers, library.propagate = [logging.NullHandler()], False  # its threads print tracebacks otherwise
    name, port = login.host.place
    settings = {
        "sock": stream,
        "auth_strategy": login,
        "banner_timeout": LAST,
        "auth_timeout": LAST,
        "channel_timeout": LIMITS.connect,
        "disabled_algorithms": off,
    }
    config = Config(overrides={"load_ssh_configs": False}, lazy=True)
    return Connection(
        name,
        user=login.host.login,
        port=port,
        config=config,
        forward_agent=False,
        connect_timeout=LAST,
        connect_kwargs=settings,
    )


def pause(tries: int) -> float:
    """Seconds before the next try, with jitter."""
    return random.uniform(0.05, 0.25 * 2.0**tries)  # noqa: S311  no secret
