"""Where a host is and how it lets us in: the block of the file, completed by the user's ssh_config as `ssh -G` reads it."""

from __future__ import annotations

import asyncio
import getpass
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chatops.errors import TargetError
from chatops.model import LIMITS
from chatops.sanitize import sanitize
from chatops.shell import words

_SAFE = re.compile(r"[A-Za-z0-9_:.%\[][A-Za-z0-9_:.%\]\[-]*\Z")
DEFAULT_IDENTITIES = ("id_ed25519", "id_ecdsa", "id_rsa")
NONE = {"", "none"}


@dataclass(frozen=True, slots=True)
class HostAddress:
    """`address` as the file has it (also the host's name on screen); `user`, `port` and `identity` None: as `ssh` would.

    What `resolve` adds: `hostname`, the identities that are tried, and `proxy`, a command whose streams lead to the host.
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
        name = self.alias or self.hostname or self.address
        return name if self.alias or self.place[1] == 22 else f"[{name}]:{self.place[1]}"
