"""A real sshd of this machine's own, on loopback and a free port, that lets one key in as whoever runs the tests."""

import asyncio
import contextlib
import getpass
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.link import Link
from tests.needs import missing, need
from tests.rig.address import free, listening
from tests.rig.identity import HostKey, host_keys, operator_key
from tests.rig.require import SYSTEM
from tests.servers import Process

CONFIG = """\
ListenAddress 127.0.0.1:{port}
{keys}
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AcceptEnv *
LogLevel DEBUG1
PidFile none
MaxStartups 100
{more}
"""


@dataclass
class Sshd:
    """An sshd at 127.0.0.1:`port`; `log` holds what it saw."""

    port: int
    keys: tuple[HostKey, ...]
    process: Process
    folder: Path
    identity: Path

    @property
    def log(self) -> str:
        return self.process.log.read_text(errors="replace")

    @property
    def host(self) -> HostAddress:
        """Its address, with its first key pinned."""
        pin = (self.keys[0].fingerprint,)
        return HostAddress("127.0.0.1", getpass.getuser(), self.port, self.identity, pin)

    def through(self, port: int) -> HostAddress:
        """The same host behind another port."""
        return replace(self.host, port=port)


@contextlib.contextmanager
def sshd(*more: str, keys: Sequence[HostKey] = (), port: int = 0) -> Iterator[Sshd]:
    """An sshd with these further lines of configuration."""
    if os.geteuid() != 0:
        missing("an sshd that is run by a user can't switch to anybody", "sudo -E make test")
    program = need("sshd", "openssh-server", *SYSTEM)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    keys = tuple(keys) or host_keys()
    at = free("127.0.0.1", port)
    with tempfile.TemporaryDirectory(prefix="chatops-sshd-") as name:
        folder = Path(name)
        identity = folder / "identity"
        shutil.copy(operator_key(), identity)
        shutil.copy(operator_key().with_suffix(".pub"), folder / "authorized_keys")
        text = CONFIG.format(
            port=at, keys="\n".join(_written(folder, key) for key in keys), folder=folder, more="\n".join(more)
        )
        (folder / "config").write_text(text)
        process = Process([program, "-D", "-e", "-f", folder / "config"], folder / "log", lambda: listening("127.0.0.1", at))
        try:
            yield Sshd(at, keys, process, folder, identity)
        finally:
            process.close()


def _written(folder: Path, key: HostKey) -> str:
    path = folder / f"host_{key.kind}"
    path.touch(mode=0o600)
    path.write_bytes(key.private)
    return f"HostKey {path}"


@contextlib.asynccontextmanager
async def linked(host: HostAddress) -> AsyncIterator[Link]:
    """A link for the length of a block."""
    link = await Link.open(host)
    try:
        yield link
    finally:
        await link.close()


async def gone(path: Path) -> None:
    """Returns when `path` is no more."""
    while path.exists():  # noqa: ASYNC110  another process removes it
        await asyncio.sleep(0.02)
