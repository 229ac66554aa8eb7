"""The operator's SSH agent: asked when one of its keys is needed, and not before."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from paramiko import Message, SSHException
from paramiko.agent import SSH2_AGENT_IDENTITIES_ANSWER, SSH2_AGENT_SIGN_RESPONSE, AgentSSH
from paramiko.pkey import PublicBlob

from chatops.limits import LIMITS

_ANSWERS = {SSH2_AGENT_IDENTITIES_ANSWER, SSH2_AGENT_SIGN_RESPONSE}


class Agent(AgentSSH):  # type: ignore[misc]  # no types of its own
    """What listens at `path`; one that is not there has no keys. The library's own finds its path in the environment only."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.silent = False
        self._asked = False
        self._stream: socket.socket | None = None

    def keys(self) -> Sequence[Any]:
        """All that it has."""
        if self.path and self._stream is None:
            self._stream = socket.socket(socket.AF_UNIX)
            self._stream.settimeout(LIMITS.connect)
            with suppress(OSError, SSHException):
                self._stream.connect(self.path)
                self._connect(self._stream)
        return self.get_keys()  # type: ignore[no-any-return]

    def key(self, identity: Path) -> Any:
        """The key whose public half `identity` is, or lies beside it; None when the agent does not have it."""
        public = public_half(identity) or public_half(Path(f"{identity}.pub"))
        return next((key for key in self.keys() if key.asbytes() == public), None) if public else None

    def abort(self) -> None:
        """Ends a wait for its answer; `silent` says whether there was one."""
        self.silent = self.silent or self._asked
        if self._stream is not None:
            with suppress(OSError):
                self._stream.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hangs up."""
        if self._stream is not None:
            self._stream.close()

    def _send_message(self, msg: Any) -> Any:
        """Every question to it. Where it does not sign, the signature is empty, and the host refuses the key.

        An error would end the connection, and the next key would have no turn.
        """
        self._asked = True
        try:
            kind, answer = super()._send_message(msg)
        except (OSError, SSHException):
            kind = None
        finally:
            self._asked = False
        return (kind, answer) if kind in _ANSWERS else (SSH2_AGENT_SIGN_RESPONSE, Message())


def public_half(path: Path) -> bytes:
    """The key in a file with a public one (sshd(8), AUTHORIZED_KEYS FILE FORMAT); empty where it holds none."""
    with suppress(OSError, ValueError, SSHException):
        return bytes(PublicBlob.from_file(str(path)).key_blob)
    return b""
