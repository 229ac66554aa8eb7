"""What a phase needs, as one gzipped tar stream: files whole, archives as the pieces that the host does not have yet.

A piece is one member of the archive, header and all, named by its SHA-256: the pieces of an archive, one after the other, are
the archive again, byte for byte, and no name in it is ever looked at on the host.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from chatops.frozen import frozen
from chatops.targets.vps.facts import Member, Program

FAST = 1
"""gzip's level: text shrinks to a quarter, and a slow machine keeps up with a fast line."""


@frozen
class Piece:
    """Where one piece lies in the archive here."""

    sha256: str
    start: int
    size: int


@frozen
class Cut:
    """An archive as its pieces, in order; `sha256` is that of the whole."""

    sha256: str
    pieces: tuple[Piece, ...]


@frozen
class Cargo:
    """Everything that a program needs on the host."""

    files: tuple[Member, ...]
    archives: tuple[tuple[Member, Path, Cut], ...]

    @property
    def manifest(self) -> bytes:
        """What the host is told first: `file NUMBER PATH`, `whole SHA256 PATH`, `piece SHA256` a line."""
        lines = [f"file {number} {member.path}" for number, member in enumerate(self.files)]
        for member, _, cut in self.archives:
            lines.append(f"whole {cut.sha256} {member.path}")
            lines += [f"piece {piece.sha256}" for piece in cut.pieces]
        return "".join(f"{line}\n" for line in lines).encode()

    def load(self, missing: Collection[str]) -> bytes:
        """The stream, with those pieces that are missing."""
        buffer = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=FAST, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w|") as tar,
        ):
            for number, member in enumerate(self.files):
                _add(
                    tar,
                    str(number),
                    member.content if isinstance(member.content, bytes) else member.content.read_bytes(),
                    member.mode,
                )
            for _, source, cut in self.archives:
                data = source.read_bytes()
                for piece in {piece.sha256: piece for piece in cut.pieces if piece.sha256 in missing}.values():
                    _add(tar, f"pieces/{piece.sha256}", data[piece.start : piece.start + piece.size], 0o600)
        return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))


def cargo(program: Program, run: str = "", part: int = 0) -> Cargo:
    """What travels for a program: its members, its own text, and what the journal says of the phase, the run's `part`th."""
    told = {"phase": program.phase, "goal": program.goal, "left": program.left, "proofs": sorted(program.proofs)}
    value = {"event": "phase", "run": run, "part": part, **told, "titles": dict(program.titles)}
    head = json.dumps(value, separators=(",", ":"))
    own = (_own(program, "sh", program.text), _own(program, "head", f"{head}\n"))
    paths = ((member, member.content) for member in program.members if isinstance(member.content, Path))
    archives = tuple((member, path, cut) for member, path in paths if (cut := _cut(path)))
    apart = {member.path for member, _, _ in archives}
    files = tuple(member for member in program.members if member.path not in apart)
    return Cargo((*files, *own), archives)


def _own(program: Program, ending: str, text: str) -> Member:
    return Member(program.state / f"{program.phase}.{ending}", text.encode())


@cache  # a release is the same for every host
def _cut(archive: Path) -> Cut | None:
    """Cut where members begin; what stands behind the last is a piece, too. None: no tar archive, or a compressed one."""
    data = archive.read_bytes()
    try:
        with tarfile.open(archive, "r:") as tar:
            starts = [member.offset for member in tar]
    except tarfile.TarError:
        return None
    return Cut(hashlib.sha256(data).hexdigest(), tuple(_pieces(data, starts)))


def _pieces(data: bytes, starts: list[int]) -> Iterator[Piece]:
    for start, end in zip([0, *starts[1:]], [*starts[1:], len(data)], strict=True) if starts else [(0, len(data))]:
        yield Piece(hashlib.sha256(data[start:end]).hexdigest(), start, end - start)
