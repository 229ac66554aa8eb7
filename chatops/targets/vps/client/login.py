"""Which keys are offered, in which order: the identities (locked ones through the agent), then the agent's others."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from chatops.targets.vps.client.address import HostAddress

MOST = 5
"""How many keys of the agent are offered: a host hangs up after six tries (sshd_config(5), MaxAuthTries)."""


@dataclass(slots=True)
class Login:
    """What the SSH client is given in place of its own search for keys; no password is ever offered."""

    host: HostAddress
    locked: list[Path] = field(default_factory=list)

    def authenticate(self, transport: Any) -> list[str]:
        """Logs in. Raises PasswordRequiredException or AuthenticationException when no key opens the door."""
        with closing(_Agent()) as agent:
            for key in self._offered(agent):
                with suppress(paramiko.AuthenticationException):
                    if not transport.auth_publickey(self.host.login, key):
                        return []
        if self.locked:
            raise paramiko.PasswordRequiredException(str(self.locked[0]))
        raise paramiko.AuthenticationException("no key fits")

    def _offered(self, agent: _Agent) -> Iterator[Any]:
        for path in self.host.identities:
            try:
                yield paramiko.PKey.from_path(path)
            except (TypeError, ValueError, OSError, UnsupportedAlgorithm, paramiko.SSHException, paramiko.UnknownKeyType):
                if key := agent.key(path):
                    yield key
                else:
                    self.locked.append(path)
        if self.host.agent:
            yield from agent.keys[:MOST]


class _Agent:
    """The operator's SSH agent; without one, it has no keys."""

    def __init__(self) -> None:
        self._agent: Any = None
        self.keys: list[Any] = []
        with suppress(OSError, paramiko.SSHException):
            self._agent = paramiko.Agent()
            self.keys = list(self._agent.get_keys())

    def key(self, identity: Path) -> Any:
        """The key whose public half lies beside `identity`; None when the agent does not have it."""
        with suppress(OSError, ValueError, IndexError):
            public = base64.b64decode(Path(f"{identity}.pub").read_text().split()[1])
            return next((key for key in self.keys if key.asbytes() == public), None)
        return None

    def close(self) -> None:
        if self._agent is not None:
            self._agent.close()
