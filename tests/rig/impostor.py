"""A real sshd with a key that nobody trusts, to see what a client offers it."""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.needs import need
from tests.rig.address import free, listening
from tests.rig.identity import HostKey, host_keys
from tests.rig.require import SYSTEM, mortal, require_root
from tests.servers import Process

CONFIG = """\
ListenAddress {address}:{port}
HostKey {key}
AuthorizedKeysFile none
UsePAM no
PasswordAuthentication yes
LogLevel DEBUG1
PidFile none
"""


@dataclass
class Impostor:
    """An sshd at `address`:`port` that lets nobody in and writes down every attempt."""

    address: str
    port: int
    key: HostKey
    log: Path

    @property
    def host_key(self) -> str:
        """The fingerprint that a client sees."""
        return self.key.fingerprint

    @property
    def connections(self) -> int:
        """How many clients connected."""
        return len(re.findall(r"^Connection from ", self.log.read_text(errors="replace"), re.MULTILINE))

    @property
    def attempts(self) -> list[tuple[str, str]]:
        """User and method (`none`, `publickey`, `password`) of each try to log in; a client that checks keys makes none."""
        return re.findall(r"userauth-request for user (\S*) service \S+ method (\S+)", self.log.read_text(errors="replace"))


@contextlib.contextmanager
def impostor(address: str = "127.0.0.1", port: int = 0) -> Iterator[Impostor]:
    """An impostor at a free port, or in the very place of a host that has been stopped."""
    require_root()
    sshd = need("sshd", "openssh-server", *SYSTEM)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    [key, *_], at = host_keys(), free(address, port)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_bytes(key.private)
        (folder / "config").write_text(CONFIG.format(address=address, port=at, key=folder / "key"))
        process = Process(mortal(sshd, "-D", "-e", "-f", folder / "config"), folder / "log", lambda: listening(address, at))
        try:
            yield Impostor(address, at, key, folder / "log")
        finally:
            process.close()
