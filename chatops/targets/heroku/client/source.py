"""A release as a gzipped tar where Heroku can fetch it: upload to the address that the API hands out."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import httpx

from chatops.errors import StepFailed, TargetError
from chatops.frozen import frozen
from chatops.targets.heroku.client.api import TRIES, Api, pause

LARGEST = 500_000_000
"""Bytes; a slug may not be larger (Dev Center, "Limits"), so neither a source."""
_PIECE = 1 << 16
_TIMEOUT = httpx.Timeout(connect=5.0, read=120.0, write=60.0, pool=5.0)


@frozen
class Upload:
    """Where the archive lies, its size in bytes, and its checksum as builds want it."""

    url: str
    size: int
    checksum: str


async def upload(api: Api, archive: Path) -> Upload:
    """Raises StepFailed for a source that is too large or refused, TargetError when the store is out of reach."""
    with tempfile.TemporaryFile() as file:
        size, checksum = await asyncio.to_thread(_compress, archive, file)
        return Upload(await _store(api, file, size), size, checksum)


def _compress(archive: Path, file: IO[bytes]) -> tuple[int, str]:
    """Gzips without time or name: the same bytes for the same release. Gives size and checksum."""
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as zipped, archive.open("rb") as tar:
        while piece := tar.read(_PIECE):
            zipped.write(piece)
            _allow(file.tell())
    size = file.tell()
    _allow(size)
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return size, f"SHA256:{digest.hexdigest()}"


def _allow(size: int) -> None:
    if size > LARGEST:
        limit = f"{LARGEST / 1e6:.0f} MB"
        raise StepFailed(f"the source is larger than the {limit} that Heroku takes", "leave files out with .slugignore")


async def _store(api: Api, file: IO[bytes], size: int) -> str:
    """Gives the address to fetch it from. Every try asks for a new place: an address is good for one upload."""
    reason = ""
    for attempt in range(TRIES):
        place = (await api.ask("/sources"))["source_blob"]
        reason = await _put(api.plain(place["put_url"]), place["put_url"], file, size)
        if not reason:
            return str(place["get_url"])
        await asyncio.sleep(pause(attempt))
    raise TargetError(f"the source store is out of reach: {reason}", "check the network and status.heroku.com")


async def _put(http: httpx.AsyncClient, url: str, file: IO[bytes], size: int) -> str:
    """Why it went wrong and may be tried again; empty when it is stored.

    The signature covers the headers: no Content-Type, no token, and a length instead of chunks.
    """
    try:
        answer = await http.put(url, content=_pieces(file), headers={"Content-Length": str(size)}, timeout=_TIMEOUT)
    except httpx.TransportError as error:
        return str(error) or type(error).__name__
    if answer.status_code >= 500:
        return f"status {answer.status_code}"
    if not answer.is_success:
        raise StepFailed(f"the source store refused the upload ({answer.status_code})", "run again; if it stays, report it")
    return ""


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece
