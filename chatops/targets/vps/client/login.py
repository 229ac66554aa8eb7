"""Which keys are offered, in which order: files that open, those that the agent has for the others, then its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.agent import Agent, public_half


class HungUp(paramiko.AuthenticationException):  # type: ignore[misc]  # no types of its own
    """The host refused that many keys and wants to see no more (sshd_config(5), MaxAuthTries)."""


class OnlyPublic(paramiko.AuthenticationException):  # type: ignore[misc]
    """A public key without its private half: the agent does not have it."""


class SilentAgent(TimeoutError):
    """The agent at that path let us wait."""


@dataclass(slots=True)
class Login:
    """What the SSH client is given in place of its own search for keys; no password is ever offered."""

    host: HostAddress
    agent: Agent = field(init=False)
    _unusable: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.agent = Agent(self.host.agent_path)

    def authenticate(self, transport: Any) -> list[str]:
        """Logs in. Raises AuthenticationException (or one of its kinds) when no key opens the door."""
        tried = set[bytes]()
        with closing(self.agent):
            for key in self._offered():
                if (public := key.asbytes()) not in tried:
                    tried.add(public)
                    if self._fits(transport, key, len(tried)):
                        return []
        raise self._refusal(len(tried))

    def _offered(self) -> Iterator[Any]:
        shut = []
        for path in self.host.identities:
            if key := _opened(path):
                yield key
            else:
                shut.append(path)
        for path in shut:
            if key := self.agent.key(path):
                yield key
            else:
                self._unusable.append(path)
        if self.host.agent:
            yield from self.agent.keys()

    def _fits(self, transport: Any, key: Any, tries: int) -> bool:
        """Raises HungUp, and what the library raises where the connection is at its end."""
        try:
            return not transport.auth_publickey(self.host.login, key)
        except paramiko.AuthenticationException:
            if transport.active:
                return False
            if tries > 1:
                raise HungUp(str(tries)) from None
            raise

    def _refusal(self, tries: int) -> paramiko.AuthenticationException:
        locked = next((path for path in self._unusable if path.is_file() and not public_half(path)), None)
        if locked:
            return paramiko.PasswordRequiredException(str(locked))
        if self._unusable and not tries:
            return OnlyPublic(str(self._unusable[0]))
        return paramiko.AuthenticationException("no key fits")


def _opened(path: Path) -> Any:
    """The key in a file; None where it can't be had without more."""
    try:
        return paramiko.PKey.from_path(path)
    except (TypeError, ValueError, OSError, UnsupportedAlgorithm, paramiko.SSHException, paramiko.UnknownKeyType):
        return None
