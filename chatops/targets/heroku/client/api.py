"""The one httpx client for the Platform API: headers, deadlines, retries, paging, errors."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any

import httpx

from chatops import __version__
from chatops.errors import TargetError
from chatops.sanitize import sanitize
from chatops.targets.heroku.client.access import Access
from chatops.targets.heroku.client.faults import Ambiguous, refused

log = logging.getLogger(__name__)
TRIES = 5
BASE, CAP, LONGEST = 0.5, 20.0, 60.0
"""Full jitter under a doubling base up to a cap; a `Retry-After` is followed up to the longest. Seconds."""
DEADLINE = 120.0
"""One call with all its tries, in seconds."""
PAGES = 100
_TIMEOUT = httpx.Timeout(connect=5.0, read=30.0, write=30.0, pool=10.0)
_AGENT = {"User-Agent": f"chatops/{__version__}"}
_BUSY = frozenset({429, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
Find = Callable[[], Awaitable[Any]]


class Api:
    """The Platform API, version 3. Every method may raise Refused, TargetError, Ambiguous."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._plain: dict[bool, httpx.AsyncClient] = {}
        self.http = httpx.AsyncClient(
            base_url=access.base,
            timeout=_TIMEOUT,
            verify=self._trust(access.base),
            headers={
                "Accept": "application/vnd.heroku+json; version=3",
                "Authorization": f"Bearer {access.token.reveal()}",
                **_AGENT,
            },
        )

    async def close(self) -> None:
        """Gives back the connections."""
        for http in (self.http, *self._plain.values()):
            await http.aclose()

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The certificates that we trust: 20 ms to load, so it is done once, and not at all for plain HTTP on loopback."""
        return ssl.create_default_context()

    def _trust(self, url: str) -> ssl.SSLContext | bool:
        return False if url.startswith("http://") else self.tls

    def plain(self, url: str) -> httpx.AsyncClient:
        """For uploads, streams and logs, which lie elsewhere, as `url` does: never carries the token."""
        secure = not url.startswith("http://")
        if secure not in self._plain:
            self._plain[secure] = httpx.AsyncClient(timeout=_TIMEOUT, verify=self._trust(url), headers=_AGENT)
        return self._plain[secure]

    async def get(self, path: str) -> Any:
        """One object."""
        return _json(await self._call("GET", path))

    async def latest(self, path: str, field: str, most: int) -> list[dict[str, Any]]:
        """The newest `most` of a list, newest first, by `field`."""
        answer = await self._call("GET", path, headers={"Range": f"{field} ..; order=desc, max={most}"})
        return list(_json(answer))

    async def all(self, path: str) -> list[dict[str, Any]]:
        """A whole list, over as many pages as it has."""
        answer = await self._call("GET", path, headers={"Range": "id ..; max=1000"})
        items = list(_json(answer))
        for _ in range(PAGES):
            if answer.status_code != 206 or not (following := answer.headers.get("Next-Range")):
                break
            answer = await self._call("GET", path, headers={"Range": following})
            items += _json(answer)
        return items

    async def change(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """PUT, PATCH or DELETE: sent again where no answer came, since doing it twice is doing it once."""
        answer = await self._call(method, path, body)
        return _json(answer) if answer.content else None

    async def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A POST that may be sent twice without harm (a log session, an upload address)."""
        return _json(await self._call("POST", path, body, repeatable=True))

    async def create(self, path: str, body: Mapping[str, Any], find: Find | None = None) -> Any:
        """A POST. Where no answer came, what `find` reads decides; it is sent again only when that finds nothing."""
        return await settled(lambda: self._post(path, body), find)

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return _json(await self._call("POST", path, body))

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> httpx.Response:
        request_id = os.urandom(16).hex()  # an id of 20 to 128 letters, digits and dashes; uuid takes 2 ms to import
        sent = {**(headers or {}), "Request-Id": request_id}
        content = b"" if body is None else json.dumps(body).encode()
        if content:
            sent["Content-Type"] = "application/json"
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await self._tries(method, path, content, sent, repeatable or method in _REPEATABLE)
        except TimeoutError:
            raise TargetError(f"Heroku did not answer {method} {path} in {DEADLINE:.0f} s") from None
        if not answer.is_success:
            raise refused(answer.status_code, answer.content, request_id)
        return answer

    async def _tries(
        self, method: str, path: str, content: bytes, headers: Mapping[str, str], repeatable: bool
    ) -> httpx.Response:
        outcome: httpx.Response | httpx.TransportError
        for attempt in range(TRIES):
            outcome = await self._try(method, path, content, headers)
            if isinstance(outcome, httpx.Response) and outcome.status_code not in _BUSY:
                return outcome
            if not (repeatable or _not_done(outcome)):
                raise Ambiguous(
                    f"Heroku gave no clear answer to {method} {path}: {_reason(outcome)}", "run again: it finds out"
                )
            if attempt < TRIES - 1:
                await asyncio.sleep(pause(attempt, outcome))
        if isinstance(outcome, httpx.Response):
            return outcome
        raise TargetError(f"Heroku is out of reach: {_reason(outcome)}", "check the network and status.heroku.com") from outcome

    async def _try(
        self, method: str, path: str, content: bytes, headers: Mapping[str, str]
    ) -> httpx.Response | httpx.TransportError:
        try:
            answer = await self.http.request(method, path, content=content or None, headers=headers)
        except httpx.TransportError as error:
            log.debug("request %s %s %s: %s", headers["Request-Id"], method, path, _reason(error))
            return error
        log.debug("request %s %s %s: %s", headers["Request-Id"], method, path, answer.status_code)
        return answer


async def settled(send: Callable[[], Awaitable[Any]], find: Find | None) -> Any:
    """What `send` gives. Where its outcome is unknown, `find` looks (None: not done), and it is sent again if need be."""
    for attempt in range(TRIES):
        try:
            return await send()
        except Ambiguous:
            if find is None or attempt == TRIES - 1:
                raise
            await asyncio.sleep(pause(attempt))
            if (found := await find()) is not None:
                return found
    raise AssertionError("the last attempt returns or raises")


def pause(attempt: int, outcome: httpx.Response | httpx.TransportError | None = None) -> float:
    """Seconds to wait after the attempt of this number (from 0); a busy answer may say how long."""
    asked = outcome.headers.get("Retry-After", "") if isinstance(outcome, httpx.Response) else ""
    if asked.isdigit():
        return min(float(asked), LONGEST)
    return random.uniform(0.0, min(CAP, BASE * 2.0**attempt))  # noqa: S311  jitter


def _not_done(outcome: httpx.Response | httpx.TransportError) -> bool:
    """Whether it is sure that nothing happened: it was not sent, or turned away for its rate."""
    return isinstance(outcome, _BEFORE_SENDING) or (isinstance(outcome, httpx.Response) and outcome.status_code == 429)


def _reason(outcome: httpx.Response | httpx.TransportError) -> str:
    if isinstance(outcome, httpx.Response):
        return f"status {outcome.status_code}"
    return sanitize(str(outcome)) or type(outcome).__name__


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise TargetError("what answers is not Heroku's API", "check HEROKU_API_URL, proxies and sign-in pages") from None
