"""The API's front: request ids, authentication, versions, rate limits, faults, paging, errors, schema checks."""

import asyncio
import base64
import hashlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.heroku.emulator import schema
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.errors import Refused
from tests.heroku.emulator.faults import Delay, Drop, Refuse
from tests.heroku.emulator.ranges import Page, cut

CLOUD = web.AppKey("cloud", Cloud)
FRONT: web.AppKey["Front"] = web.AppKey("front")
INJECT = "/__inject"
OPEN = ("/buildpacks/", "/_source/", "/streams/", "/logplex/")
MEDIA = "application/vnd.heroku+json"

Next = Callable[[web.Request], Awaitable[Any]]


class Front:
    """What the front remembers: tokens left, answers that broke the schema, and every request."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.tokens = float(cloud.limits.rate_tokens)
        self.refilled = time.monotonic()
        self.violations: list[str] = []
        self.requests: list[tuple[str, str]] = []

    def spend(self) -> None:
        """One token; raises Refused (429) when none is left."""
        now = time.monotonic()
        limits = self.cloud.limits
        self.tokens = min(limits.rate_tokens, self.tokens + (now - self.refilled) * limits.rate_per_minute / 60)
        self.refilled = now
        if self.tokens < 1:
            raise Refused(429)
        self.tokens -= 1


Serving = Callable[[web.Request, Next, Front], Awaitable[web.StreamResponse]]


@web.middleware
async def serve(request: web.Request, handler: Next) -> web.StreamResponse:
    """Every request goes through here."""
    front = request.app[FRONT]
    if request.path == INJECT:
        return await _plain(request, handler, front)
    api = not request.path.startswith(OPEN)
    if api:
        front.requests.append((request.method, request.rel_url.raw_path))
    fault = front.cloud.faults.take_request(request.method, request.rel_url.raw_path, api)
    if isinstance(fault, Delay):
        await asyncio.sleep(fault.seconds)
    if isinstance(fault, Drop):
        return await _drop(request, handler, front, _api if api else _plain, fault.done)
    if isinstance(fault, Refuse):
        return _finish(request, _refusal(fault), front)
    return await (_api if api else _plain)(request, handler, front)


async def _plain(request: web.Request, route: Next, front: Front) -> web.StreamResponse:
    """What is no API: uploads, streams, logs."""
    answer: web.StreamResponse = await route(request)
    return answer


async def _api(request: web.Request, route: Next, front: Front) -> web.StreamResponse:
    try:
        response = await _answer(request, route, front)
    except Refused as refused:
        response = web.json_response(refused.body, status=refused.status)
    return _finish(request, response, front)


def _refusal(fault: Refuse) -> web.Response:
    refused = Refused(fault.status, fault.id, fault.message)
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return web.json_response(refused.body, status=refused.status, headers=headers)


async def _drop(request: web.Request, route: Next, front: Front, serve_it: Serving, done: bool) -> web.StreamResponse:
    """Nobody hears the answer that this gives."""
    if done:
        await serve_it(request, route, front)
    if request.transport:
        request.transport.abort()
    return web.Response()


async def _answer(request: web.Request, route: Next, front: Front) -> web.Response:
    _authenticate(request, front.cloud)
    variant = _variant(request)
    if request.path != "/account/rate-limits":
        front.spend()
    try:
        result = await route(request)
    except web.HTTPException as error:
        if error.status in {404, 405}:
            raise Refused(404, message="The requested API endpoint was not found.") from None
        raise Refused(400) from None
    status, data = result if isinstance(result, tuple) else (200, result)
    response, data = _response(request, status, _in_variant(data, variant))
    _check(request, variant, data, front)
    return response


def _authenticate(request: web.Request, cloud: Cloud) -> None:
    """`Bearer TOKEN`, or `Basic` with the token as password and any user."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        value = base64.b64decode(value).decode().partition(":")[2]
    if value.strip() != cloud.token:
        raise Refused(401)
    if cloud.account.suspended:
        raise Refused(403, "suspended", "Your account is suspended.")
    if cloud.account.delinquent and request.method != "GET":
        raise Refused(402)


def _variant(request: web.Request) -> str:
    """`3` or `3.something` from Accept. Raises Refused (406)."""
    for part in request.headers.get("Accept", "").split(","):
        media, _, version = part.replace(" ", "").partition(";version=")
        if media == MEDIA and (version == "3" or version.startswith("3.")):
            return version
    raise Refused(406)


def _response(request: web.Request, status: int, data: Any) -> tuple[web.Response, Any]:
    headers: dict[str, str] = {}
    if isinstance(data, Page):
        data, headers, more = cut(data, request.headers.get("Range", ""))
        status = 206 if more else status
    body = json.dumps(data).encode()
    tag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    if request.method == "GET" and request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers={"ETag": tag}), data
    return web.Response(status=status, body=body, content_type="application/json", headers=headers | {"ETag": tag}), data


def _in_variant(data: Any, variant: str) -> Any:
    """The one field that variant `3.sdk` spells in another way: an app's generation is its name."""
    if isinstance(data, Page):
        return Page([_in_variant(item, variant) for item in data.items], data.field)
    if variant == "3.sdk" and isinstance(data, dict) and "git_url" in data:
        return data | {"generation": data["generation"]["name"]}
    return data


def _check(request: web.Request, variant: str, data: Any, front: Front) -> None:
    known = schema.load(variant)
    front.violations += known.faults(request.method, request.rel_url.raw_path, data) if known else []


def _finish(request: web.Request, response: web.Response, front: Front) -> web.Response:
    sent = request.headers.get("Request-Id")
    response.headers["Request-Id"] = ",".join(filter(None, [sent, str(uuid.uuid4())]))
    response.headers["RateLimit-Remaining"] = str(int(front.tokens))
    response.headers["RateLimit-Multiplier"] = "1"
    return response


async def body(request: web.Request) -> dict[str, Any]:
    """The request's JSON object; none at all is an empty one. Raises Refused (400)."""
    text = await request.text()
    try:
        data = json.loads(text) if text.strip() else {}
    except ValueError:
        raise Refused(400) from None
    if not isinstance(data, dict):
        raise Refused(400)
    return data
