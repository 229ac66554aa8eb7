"""Looks at an app's public health address, once or until it is well."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chatops.errors import Unhealthy
from chatops.events import HealthSample
from chatops.limits import LIMITS
from chatops.sanitize import sanitize

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    import httpx

    from chatops.goals import Gate

BODY_CAP = 1024 * 1024
POLL = 0.05
PRIVATE = 2.0
"""Seconds that a worker has to tell of itself in private."""
ROW = ("componentId", "componentType", "status", "observedValue", "observedUnit", "time")
"""What is taken of a check (draft-inadarei-api-health-check-06)."""


def client(
    url: str = "https:", authority: Path | None = None, timeout: float = LIMITS.answer, *, keep_alive: bool = False
) -> httpx.AsyncClient:
    """A client for probes of `url`: no redirects, no decompression (a small answer could unpack to gigabytes), verified TLS.

    Each look takes a new connection, as a new user would: a kept one stays with one worker, also while that one drains and
    says so. Where `url` says plain HTTP, the certificates (20 ms) are not loaded.
    """
    import httpx

    plain = url.startswith("http://")
    verify = False if plain else trust(authority)
    # No proxy of the operator's environment may answer for the app.
    headers = {"Accept-Encoding": "identity"}
    limits = httpx.Limits() if keep_alive else httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(timeout=timeout, headers=headers, trust_env=False, verify=verify, limits=limits)


def trust(authority: Path | None = None) -> ssl.SSLContext:
    """Whom HTTPS is believed: certifi's authorities, this machine's own, and those in `authority` (PEM)."""
    import httpx

    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    if authority:
        context.load_verify_locations(cafile=authority)
    return context


async def sample(http: httpx.AsyncClient, url: str, target: str = "", patience: float = LIMITS.answer) -> HealthSample:
    """One look; never raises: no answer is status 0 with the reason as message."""
    import httpx

    begun = time.perf_counter()
    try:
        async with asyncio.timeout(patience):
            status, body = await _ask(http, url)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
        message = sanitize(str(error)) or type(error).__name__
        return HealthSample(time=time.time(), target=target, ok=False, status=0, latency_ms=_since(begun), message=message)
    return _judge(status, body, target, _since(begun))


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


async def _ask(http: httpx.AsyncClient, url: str) -> tuple[int, bytes]:
    async with http.stream("GET", url) as response:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > BODY_CAP:
                break
        return response.status_code, bytes(body)


def _judge(status: int, body: bytes, target: str, latency: float) -> HealthSample:
    fields = _json(body)
    word = fields.get("status")
    ok = status in range(200, 300) and word != "fail"
    release = fields.get("release") or fields.get("releaseId")
    told = _checks(fields)
    return HealthSample(
        time=time.time(),
        target=target,
        ok=ok,
        status=status,
        latency_ms=latency,
        release=sanitize(release) if isinstance(release, str) else None,
        message="" if ok and word != "warn" else sanitize(str(word or f"answers {status}")),
        checks=told,
        connections=_connections(fields if "connections" in fields else told),
    )


async def private(socket: object, path: str) -> Mapping[str, Any]:
    """The checks of what a worker tells of itself on its operations socket; empty where it does not answer."""
    import httpx

    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
        return (await sample(http, f"http://localhost{path}", patience=PRIVATE)).checks


def checks(body: bytes) -> Mapping[str, Any]:
    """The checks in such an answer."""
    return _checks(_json(body))


def _checks(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    found = fields.get("checks")
    return {name: list(_rows(value)) for name, value in found.items()} if isinstance(found, dict) else {}


def _rows(value: object) -> Iterator[dict[str, Any]]:
    """Without `output`: what drivers say of a failure may hold a password."""
    for row in value if isinstance(value, list) else [value]:
        if isinstance(row, dict):
            yield {key: row[key] for key in ROW if isinstance(row.get(key), str | int | float)}


def _connections(said: Mapping[str, Any]) -> float | None:
    """The sum of `connections`, or of health+json's `…:connections`."""
    values = [_observed(value) for key, value in said.items() if key.rpartition(":")[2] == "connections"]
    known = [value for value in values if value is not None]
    return total if known and math.isfinite(total := sum(known)) else None


def _observed(check: object) -> float | None:
    """The number in a health+json check: itself, or the sum of `observedValue`."""
    rows = check if isinstance(check, list) else [check]
    found = [_number(row.get("observedValue") if isinstance(row, dict) else row) for row in rows]
    numbers = [number for number in found if number is not None]
    return sum(numbers) if numbers else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


async def wait_until_healthy(gate: Gate) -> HealthSample:
    """Polls until `gate.answers` good answers in a row, each of `gate.release` where the app says one.

    Gives the last sample. Raises Unhealthy with the last reason after `gate.seconds`.
    """
    end = time.monotonic() + gate.seconds
    row = 0
    async with client(gate.url, gate.authority) as http:
        while True:
            seen = await sample(http, gate.url)
            row = row + 1 if not (reason := complaint(seen, gate.release)) else 0
            if row >= gate.answers:
                return seen
            if time.monotonic() > end:
                raise Unhealthy(f"{gate.url} {reason or 'was not well for long enough'}")
            if reason:
                await asyncio.sleep(POLL)


def complaint(seen: HealthSample, release: str | None) -> str:
    """Why `seen` does not count as a good answer of `release`; empty when it does."""
    if seen.status == 0:
        return f"does not answer: {seen.message}"
    if not seen.ok:
        return seen.message if seen.message.startswith("answers") else f"answers {seen.status} ({seen.message})"
    if release and seen.release and seen.release != release:
        return f"answers release `{seen.release}` instead of `{release}`"
    return ""
