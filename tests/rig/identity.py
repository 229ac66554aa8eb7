"""SSH keys: the operator's, and each host's own."""

import base64
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.rig.cache import cache, locked
from tests.rig.process import run
from tests.rig.require import program

KINDS = ("ed25519", "ecdsa")


@dataclass(frozen=True)
class HostKey:
    """A host's key pair as the files of /etc/ssh."""

    kind: str
    private: bytes
    public: str

    @property
    def fingerprint(self) -> str:
        """`SHA256:...` as OpenSSH prints it."""
        digest = hashlib.sha256(base64.b64decode(self.public.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def operator_key() -> Path:
    """The private key that every host lets in as root; its public half lies beside it."""
    path = cache() / "id_ed25519"
    with locked("identity"):
        if not path.exists():
            _make("ed25519", path, "operator")
    return path


def host_keys() -> tuple[HostKey, ...]:
    """New keys for one host, the Ed25519 one first."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(_host_key(kind, Path(folder) / kind) for kind in KINDS)


def _host_key(kind: str, path: Path) -> HostKey:
    _make(kind, path, "")
    words = path.with_suffix(".pub").read_text().split()
    return HostKey(kind, path.read_bytes(), " ".join(words[:2]))


def _make(kind: str, path: Path, comment: str) -> None:
    run(program("ssh-keygen"), "-q", "-t", kind, "-N", "", "-C", comment, "-f", path)
