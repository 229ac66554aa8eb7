"""Whether users' address can be asked from here: only then does its answer say anything about a release."""

from __future__ import annotations

import asyncio
import socket

from chatops.goals import Gate
from chatops.targets.vps.client.address import HostAddress


async def unseen(gate: Gate, domain: str | None, host: HostAddress) -> str:
    """Why `gate.url` says nothing about what `host` serves, seen from here; empty where it does.

    `gate.release` is what serves now: a domain that leads elsewhere may lead to something that passes requests on.
    """
    name, _ = host.place
    if not domain:
        return (
            f"`{host.address}` is reached through another host, and {gate.url} can't be asked from here" if host.proxy else ""
        )
    there, own = await asyncio.gather(_addresses(domain), _addresses(name))
    if not there:
        return f"{domain} does not resolve from here"
    if there & own or (gate.release and await _answers(gate)):
        return ""
    return f"{domain} leads to {min(there)}, not to {name}"


async def _addresses(name: str) -> set[str]:
    """The addresses of a name, as this machine sees them."""
    try:
        async with asyncio.timeout(2):
            found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return set()
    return {str(place[0]) for *_, place in found}


async def _answers(gate: Gate) -> bool:
    """Whether the release says its name there."""
    from chatops import health  # httpx: only who has such a domain needs it

    async with health.client(gate.url, gate.authority, timeout=2) as http:
        return (await health.sample(http, gate.url)).release == gate.release
