"""Whose key a host must show: pins of the file, else known_hosts and what was accepted before, else the operator's word."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys
import termios
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from chatops.errors import TargetError
from chatops.frozen import frozen
from chatops.limits import LIMITS
from chatops.sanitize import sanitize
from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.blocking import output

KINDS = {
    "ssh-ed25519": ["ssh-ed25519"],
    "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
    "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
    "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
    "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
}
"""Kinds of host key, and the algorithms that prove them (RFC 8332 for RSA)."""
Ask = Callable[[str], Awaitable[bool]]
"""Puts a question to the operator."""


@frozen
class HostKey:
    """A public key as known_hosts has it: its kind (`ssh-ed25519`), and the rest in base64."""

    kind: str
    text: str

    @property
    def fingerprint(self) -> str:
        """`SHA256:...` as `ssh-keygen -l` prints it."""
        try:
            digest = hashlib.sha256(base64.b64decode(self.text)).digest()
        except ValueError:
            return "no key"
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@frozen
class Known:
    """What may be believed of a host. With `pins` nothing else counts."""

    pins: frozenset[str] = frozenset()
    keys: frozenset[HostKey] = frozenset()
    revoked: frozenset[HostKey] = frozenset()

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of key that can be checked; empty: any."""
        return frozenset() if self.pins else frozenset(key.kind for key in self.keys)


class Refused(TargetError):
    """The host showed `key`, which is not the one it should have. Nobody has logged in."""

    def __init__(self, message: str, hint: str, key: HostKey) -> None:
        super().__init__(message, hint)
        self.key = key


class Unknown(Refused):
    """Nothing is known of the host yet."""


async def known(host: HostAddress, folder: Path | None = None) -> Known:
    """Everything that is known of a host; `folder` holds what the operator accepted."""
    if host.host_key:
        return Known(pins=frozenset(host.host_key))
    files = [*host.known_hosts, own(folder)]
    found = [line for lines in await asyncio.gather(*(_asked(host, file) for file in files)) for line in lines]
    return Known(keys=frozenset(_keys(found, "")), revoked=frozenset(_keys(found, "@revoked")))


async def _asked(host: HostAddress, file: Path) -> list[list[str]]:
    """The lines that hold for the host, as words; `ssh-keygen -F` knows hashed names, wildcards and negation."""
    if not file.is_file():
        return []
    code, out, _ = await output("ssh-keygen", "-F", host.known_as, "-f", str(file), seconds=LIMITS.answer)
    if code != 127:
        return [line.split() for line in out.splitlines() if not line.startswith("#")]
    lines = [line.split() for line in file.read_text("utf-8", "replace").splitlines()]
    return [line for line in lines if line and host.known_as in line[0].split(",")]


def _keys(lines: Iterable[list[str]], marker: str) -> Iterator[HostKey]:
    for line in lines:
        first, rest = (line[0], line[1:]) if line and line[0].startswith("@") else ("", line)
        if first == marker and len(rest) >= 3:
            yield HostKey(rest[1], rest[2])


def judge(host: HostAddress, known: Known, key: HostKey) -> None:
    """Returns when `key` may be believed. Raises Unknown, or Refused."""
    shown = f"`{host.address}` shows the host key {key.fingerprint} ({sanitize(key.kind)})"
    if key in known.revoked:
        raise Refused(f"{shown}, which is marked as revoked", "somebody else may be answering in its place", key)
    if known.pins:
        if key.fingerprint not in known.pins:
            raise Refused(f"{shown}, expected {_listed(known.pins)} (`host_key`)", _CHANGED, key)
    elif not known.keys:
        raise Unknown(f"{shown}, and nothing is known of this host", _UNKNOWN, key)
    elif key not in known.keys:
        raise Refused(f"{shown}, expected {_listed(entry.fingerprint for entry in known.keys)} (known_hosts)", _CHANGED, key)


_CHANGED = (
    "check the key on the host's own console: only if it was made anew there, change `host_key` or run `ssh-keygen -R HOST`"
)
_UNKNOWN = (
    "compare it on the host's console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), then set `host_key` in the file"
)


def _listed(fingerprints: Iterable[str]) -> str:
    return " or ".join(sorted(set(fingerprints)))


# ---------------------------------------------------------------- the operator's word


def own(folder: Path | None = None) -> Path:
    """The file of what was accepted here, in the format of known_hosts."""
    if folder is None:
        from platformdirs import user_state_path

        folder = user_state_path("chatops")
    return folder / "known_hosts"


def remember(host: HostAddress, key: HostKey, folder: Path | None = None) -> None:
    """Adds the key to our own file (0600); the user's own files are never written to."""
    file = own(folder)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as lines:
        lines.write(f"{host.known_as} {key.kind} {key.text}\n")
        lines.flush()
        os.fsync(descriptor)


async def accept(host: HostAddress, unknown: Unknown, ask: Ask | None, folder: Path | None = None) -> None:
    """Has the operator look at a key that nobody knows. Raises `unknown` where there is nobody to ask, or the answer is no."""
    if ask is None or not await ask(f"{unknown.message}\nhint: {unknown.hint}\nIs it the right key? [yes/no] "):
        raise unknown
    remember(host, unknown.key, folder)


def on_terminal() -> Ask | None:
    """Asks on the terminal, one question at a time; None where there is none, or where a full-screen view has it."""
    return _Terminal() if _plain(sys.stdin) and sys.stderr.isatty() else None


def _plain(stream: TextIO) -> bool:
    try:
        return bool(termios.tcgetattr(stream)[3] & termios.ICANON)
    except (termios.error, ValueError, OSError):
        return False


class _Terminal:
    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def __call__(self, question: str) -> bool:
        async with self._turn:
            sys.stderr.write(question)
            sys.stderr.flush()
            return (await _line(sys.stdin)).strip().lower() in {"yes", "y"}


async def _line(stream: TextIO) -> str:
    """The next line of a terminal; waiting for it can be cancelled, as a thread could not."""
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(stream, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(stream)
    return stream.readline()
