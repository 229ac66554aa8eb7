"""Where Node.js is downloaded from: which version a major means there, and the checksum that its archive must have."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from chatops.cachefolder import cache
from chatops.errors import TargetError
from chatops.limits import LIMITS
from chatops.targets.vps.provision.machine import Node

ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
_LINE = re.compile(r"([0-9a-f]{64})  (node-v(\d+\.\d+\.\d+)-linux-(\w+)\.tar\.xz)")
_DOWNLOAD = 240.0


async def find(mirror: str, wanted: str, arch: str) -> Node:
    """The newest Node of a major, or exactly that one. Raises TargetError."""
    import httpx

    if arch not in ARCHITECTURES:
        raise TargetError(f"there is no Node.js for {arch}", "x86_64 and aarch64 can be used")
    folder = f"v{wanted}" if "." in wanted else f"latest-v{wanted}.x"
    url = f"{mirror.rstrip('/')}/{folder}/SHASUMS256.txt"
    try:
        async with httpx.AsyncClient(timeout=LIMITS.answer, follow_redirects=True) as http:
            answer = await http.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TargetError(f"{url} can't be read: {error}", "`node_mirror` can name another mirror") from None
    found = [match for match in _LINE.finditer(answer.text) if match[4] == ARCHITECTURES[arch]]
    if answer.status_code != 200 or not found:
        raise TargetError(f"{url} names no Node.js {wanted} for {arch}", "is the version right, and the mirror?")
    return Node(found[0][3], found[0][2], found[0][1])


async def fetch(mirror: str, node: Node) -> Path:
    """The archive on this machine, for a host that can't get it itself; kept for the next one. Raises TargetError."""
    import httpx

    kept = cache() / "node" / f"{node.digest[:16]}-{node.archive}"
    if kept.is_file():
        return kept
    url = f"{mirror.rstrip('/')}/v{node.version}/{node.archive}"
    try:
        async with httpx.AsyncClient(timeout=_DOWNLOAD, follow_redirects=True) as http:
            answer = (await http.get(url)).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TargetError(f"{url} can't be read: {error}", "`node_mirror` can name another mirror") from None
    if hashlib.sha256(answer.content).hexdigest() != node.digest:
        raise TargetError(f"{url} is not what its checksum says", "the mirror may be broken, or worse")
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(".new")
    fresh.write_bytes(answer.content)
    fresh.rename(kept)
    return kept
