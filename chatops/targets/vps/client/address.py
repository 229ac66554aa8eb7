"""Where a host is and how it lets us in: the block of the file, completed by the user's ssh_config as `ssh -G` reads it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chatops.errors import ConfigError, TargetError
from chatops.frozen import frozen
from chatops.limits import LIMITS
from chatops.sanitize import sanitize
from chatops.shell import words
from chatops.targets.vps.client.blocking import output
from chatops.targets.vps.config import Host

_SAFE = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]*\Z")
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$@-]*\Z")
_TOKEN = re.compile(r"%[dhnpr%]")
_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_KNOWN = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))


@frozen
class HostAddress:
    """`address` as the file has it (also the host's name on screen); `user`, `port` and `identity` None: as `ssh` would.

    What `resolve` adds: `hostname`, `identities` to try, where the agent listens (`agent`: whether all its keys are tried), and
    `proxy`, a shell command whose streams lead to the host.
    """

    address: str
    user: str | None = None
    port: int | None = None
    identity: Path | None = None
    host_key: tuple[str, ...] = ()
    hostname: str = ""
    alias: str = ""
    identities: tuple[Path, ...] = ()
    agent: bool = True
    agent_path: str = ""
    proxy: str = ""
    known_hosts: tuple[Path, ...] = ()

    @property
    def place(self) -> tuple[str, int]:
        """What is dialled."""
        return self.hostname or self.address, self.port or 22

    @property
    def login(self) -> str:
        """Who logs in."""
        return self.user or "root"

    @property
    def known_as(self) -> str:
        """The host's name in known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        name, port = self.place
        return self.alias or (name if port == 22 else f"[{name}]:{port}")


def written(host: Host, folder: Path) -> HostAddress:
    """A host as the file has it; `folder` is where relative paths begin."""
    identity = Path(host.identity).expanduser() if host.identity else None
    return HostAddress(host.address, host.user, host.port, folder / identity if identity else None, host.pins)


async def resolve(host: HostAddress) -> HostAddress:
    """The host with everything that ssh_config says of it.

    Raises ConfigError where the file names no key that is there, TargetError where `ssh` can't read its own configuration.
    """
    if not _SAFE.match(host.address) or not _LOGIN.match(host.login):
        raise TargetError(
            f"`{sanitize(host.login)}@{sanitize(host.address)}` is no address of a host", "`address` is a name or an IP"
        )
    if host.identity and not _there([host.identity]):
        raise ConfigError(f"`{sanitize(str(host.identity))}` can't be used: no such file", "`identity` names it")
    code, out, err = await output(*_question(host), seconds=LIMITS.answer)
    if code == 127:
        return _without_openssh(host)
    if code:
        reason = sanitize((err.strip() or "it says nothing").splitlines()[-1])
        raise TargetError(f"`ssh -G {host.address}` fails: {reason}", "mend ~/.ssh/config: `ssh` itself stumbles over it, too")
    return _completed(host, out)


def _question(host: HostAddress) -> list[str]:
    """`-G` prints the configuration that would be used, and connects nowhere (ssh(1))."""
    given = [("-l", host.user), ("-p", host.port), ("-i", host.identity)]
    return ["ssh", "-G", *(word for flag, value in given if value is not None for word in (flag, str(value))), host.address]


def _without_openssh(host: HostAddress) -> HostAddress:
    identities = (host.identity,) if host.identity else tuple(Path("~/.ssh") / name for name in _KEYS)
    known = tuple(path.expanduser() for path in _KNOWN)
    found = replace(host, identities=_there(identities), known_hosts=known)
    return replace(found, agent=host.identity is None, agent_path=_agent("SSH_AUTH_SOCK"))


def _completed(host: HostAddress, text: str) -> HostAddress:
    """Raises TargetError where the configuration can't be followed."""
    said = [(key, value) for key, _, value in (line.partition(" ") for line in text.splitlines())]
    one = dict(reversed(said))
    known = [path for key in ("userknownhostsfile", "globalknownhostsfile") for path in shlex.split(_value(one.get(key, "")))]
    found = replace(
        host,
        user=host.user or one.get("user"),
        port=host.port or int(one.get("port", 22)),
        hostname=one.get("hostname", host.address),
        alias=_value(one.get("hostkeyalias", "")),
        agent=host.identity is None and one.get("identitiesonly") != "yes",
        agent_path=_agent(one.get("identityagent", "SSH_AUTH_SOCK")),
        known_hosts=tuple(Path(file).expanduser() for file in known),
    )
    files = [_expanded(found, value) for key, value in said if key == "identityfile"]
    found = replace(found, identities=_there([host.identity] if host.identity else [Path(file) for file in files]))
    return replace(found, proxy=_proxy(found, _value(one.get("proxyjump", "")), _value(one.get("proxycommand", ""))))


def _value(text: str) -> str:
    return "" if text == "none" else text


def _agent(said: str) -> str:
    """Where the agent listens; empty: there is none (ssh_config(5), IdentityAgent)."""
    if said == "SSH_AUTH_SOCK" or said.startswith("$"):
        return os.environ.get(said.removeprefix("$"), "")
    return str(Path(said).expanduser()) if _value(said) else ""


def _there(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Those that exist, or whose public half does: the agent may have the private one."""
    found = (path.expanduser() for path in paths)
    return tuple(path for path in found if path.is_file() or Path(f"{path}.pub").is_file())


def _proxy(host: HostAddress, jump: str, command: str) -> str:
    """A jump is OpenSSH's own business: it checks the keys of the hosts between by the rules of the user's `ssh`."""
    name, port = host.place
    if jump:
        *before, last = jump.split(",")
        between = ["-J", ",".join(before)] if before else []
        to = last if last.startswith("ssh://") else f"ssh://{last}"
        options = ["-o", "BatchMode=yes", "-o", "ForwardAgent=no", "-o", f"ConnectTimeout={LIMITS.connect:.0f}"]
        return words("ssh", *options, *between, "-W", f"[{name}]:{port}", to)
    return _expanded(host, command)


def _expanded(host: HostAddress, text: str) -> str:
    """With what the tokens of ssh_config(5) stand for; `ssh -G` leaves them in commands and names of keys."""
    (name, port), home = host.place, str(Path.home())
    tokens = {"%d": home, "%h": name, "%n": host.address, "%p": str(port), "%r": host.login, "%%": "%"}
    return _TOKEN.sub(lambda found: tokens[found[0]], text)
