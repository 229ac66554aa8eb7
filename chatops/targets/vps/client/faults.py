"""What the SSH library and the sockets below it raise, as the errors of this tool: one table."""

from __future__ import annotations

import socket
from collections.abc import Callable

import paramiko
from paramiko import ssh_exception

from chatops.errors import TargetError
from chatops.limits import LIMITS
from chatops.sanitize import sanitize
from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.login import HungUp, OnlyPublic, SilentAgent

ERRORS = (paramiko.SSHException, OSError, EOFError)
"""Everything that can come out of the library on purpose; the rest are bugs."""
SHED = (EOFError, ConnectionResetError, BrokenPipeError)
"""A busy sshd drops connections at random while it greets (sshd_config(5), MaxStartups): worth another try."""

_WHICH = "say which one fits with `identity`, or with IdentityFile and IdentitiesOnly in ssh_config"
Told = Callable[[HostAddress, Exception], tuple[str, str]]


def _at(host: HostAddress) -> str:
    return "{}:{}".format(*host.place)


def _unresolved(host: HostAddress, error: Exception) -> tuple[str, str]:
    return f"`{host.place[0]}` does not resolve", "is the address right, and is the network up?"


def _closed(host: HostAddress, error: Exception) -> tuple[str, str]:
    return f"nothing listens on {_at(host)}", "is sshd running there, on this port, and does a firewall let it through?"


def _silent(host: HostAddress, error: Exception) -> tuple[str, str]:
    return f"no answer from {_at(host)} within {LIMITS.connect:.0f} s", "is the host up, and does a firewall let us through?"


def _passphrase(host: HostAddress, error: Exception) -> tuple[str, str]:
    return f"`{sanitize(str(error))}` can't be used without its passphrase", "`ssh-add` hands the key to the agent"


def _only_public(host: HostAddress, error: Exception) -> tuple[str, str]:
    hint = "`ssh-add -L` lists what the agent has; `identity`, or IdentityFile in ssh_config, names the key"
    return f"`{sanitize(str(error))}` has no private half, and the agent does not have it", hint


def _silent_agent(host: HostAddress, error: Exception) -> tuple[str, str]:
    hint = "does it wait for a touch or a password? `identity` names a key file that needs no agent"
    return f"the SSH agent at `{sanitize(str(error))}` does not answer", hint


def _hung_up(host: HostAddress, error: Exception) -> tuple[str, str]:
    return f"`{host.address}` refused {error} keys of `{host.login}` and hung up: too many were tried", _WHICH


def _refused(host: HostAddress, error: Exception) -> tuple[str, str]:
    tried = ", ".join(str(path) for path in host.identities) or "no key file"
    agent = " and the agent's keys" if host.agent else ""
    hint = f"`ssh-copy-id -p {host.place[1]} {host.login}@{host.place[0]}` puts a key there; `user` and `identity` choose who"
    return f"`{host.address}` does not let `{host.login}` in (tried {tried}{agent})", hint


def _incompatible(host: HostAddress, error: Exception) -> tuple[str, str]:
    return f"{_at(host)} and this tool share no safe algorithm: {sanitize(str(error))}", "a newer OpenSSH there helps"


def _no_session(host: HostAddress, error: Exception) -> tuple[str, str]:
    return f"`{host.address}` refuses another session", "sshd's MaxSessions and ForceCommand decide that"


def _talk(host: HostAddress, error: Exception) -> tuple[str, str]:
    return (
        f"{_at(host)} does not speak SSH as it should: {sanitize(str(error)) or type(error).__name__}",
        "is it the right port?",
    )


def _lost(host: HostAddress, error: Exception) -> tuple[str, str]:
    return f"{_at(host)} hung up while it greeted us", "a busy sshd does that (MaxStartups), and so do fail2ban and its like"


def _other(host: HostAddress, error: Exception) -> tuple[str, str]:
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{_at(host)} can't be reached: {reason or sanitize(str(error)) or type(error).__name__}", ""


# The order counts: what comes first is the more exact.
_TABLE: tuple[tuple[type[Exception], Told], ...] = (
    (socket.gaierror, _unresolved),
    (ConnectionRefusedError, _closed),
    (SilentAgent, _silent_agent),
    (TimeoutError, _silent),
    (paramiko.PasswordRequiredException, _passphrase),
    (HungUp, _hung_up),
    (OnlyPublic, _only_public),
    (paramiko.AuthenticationException, _refused),
    (ssh_exception.IncompatiblePeer, _incompatible),
    (paramiko.ChannelException, _no_session),
    (paramiko.SSHException, _talk),
    (EOFError, _lost),
    (ConnectionError, _lost),
    (OSError, _other),
)


def told(host: HostAddress, error: Exception) -> TargetError:
    """The error that users see."""
    tell = next((tell for kind, tell in _TABLE if isinstance(error, kind)), _other)
    return TargetError(*tell(host, error))


def shed(error: Exception) -> bool:
    """Whether a busy sshd may have dropped us before it knew who we are."""
    return isinstance(error, SHED) or "protocol banner" in str(error)
