"""Looks at health are what a new user would meet, not what an old connection remembers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chatops.events import HealthSample
from chatops.health import client, private, sample


@asynccontextmanager
async def _worker(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[web.AppRunner]:
    """A worker that answers so, to be given addresses."""
    app = web.Application()
    app.router.add_get("/health", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


async def _looks(answer: Callable[[web.Request], Awaitable[web.Response]], keep_alive: bool) -> list[HealthSample]:
    """Two looks at it."""
    async with _worker(answer) as runner:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/health"
        async with client(url, keep_alive=keep_alive) as http:
            return [await sample(http, url), await sample(http, url)]


@pytest.mark.parametrize("keep_alive", [False, True])
def test_a_look_takes_a_new_connection_unless_it_stands_for_one_user(keep_alive: bool) -> None:
    known: set[object] = set()

    async def drains(request: web.Request) -> web.Response:
        """Says so to whoever asks again over a connection that it knows."""
        again = request.transport in known
        known.add(request.transport)
        return web.json_response({"status": "fail" if again else "pass"}, status=503 if again else 200)

    assert [seen.ok for seen in asyncio.run(_looks(drains, keep_alive))] == [True, not keep_alive]


@pytest.mark.parametrize(
    ("body", "connections"),
    [
        ({}, None),
        ({"connections": 12}, 12.0),
        ({"connections": 12, "checks": {"worker:connections": [{"observedValue": 3}]}}, 12.0),
        ({"checks": {"worker:connections": [{"observedValue": 3}, {"observedValue": 4}], "store": []}}, 7.0),
        ({"checks": {"connections": {"observedValue": "many"}}}, None),
        ({"connections": 10**400}, None),
        ({"connections": "inf"}, None),
        ({"connections": True}, None),
        ({"checks": {"connections": [{"observedValue": 1e308}, {"observedValue": 1e308}]}}, None),
        ({"checks": "nonsense"}, None),
        (["nonsense"], None),
    ],
)
def test_connections_are_what_the_app_tells(body: object, connections: float | None) -> None:
    assert _answered(body).connections == connections


def test_of_a_check_is_kept_what_says_how_it_is() -> None:
    row = {"componentId": "pg", "status": "fail", "observedValue": 3}
    told = {**row, "output": "can't reach postgres://u:p@x", "links": {"a": 1}, "observedUnit": None}
    deep: object = 1
    for _ in range(900):
        deep = [deep]
    said = _answered({"checks": {"store": [told, 7, deep], "bus": {"status": "pass"}, "odd": 1, "deep": {"time": deep}}}).checks
    assert said == {"store": [row], "bus": [{"status": "pass"}], "odd": [], "deep": [{}]}


def _answered(body: object) -> HealthSample:
    """What is made of an answer."""

    async def tells(request: web.Request) -> web.Response:
        return web.json_response(body)

    return asyncio.run(_looks(tells, keep_alive=True))[0]


async def _told(body: object) -> Mapping[str, Any]:
    """What a worker says in private that answers so."""

    async def fails(request: web.Request) -> web.Response:
        return web.json_response(body, status=503)

    async with _worker(fails) as runner:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "0.ops"
            assert await private(path, "/health") == {}
            await web.UnixSite(runner, path).start()
            return await private(path, "/health")


def test_what_a_worker_says_in_private_also_where_it_fails() -> None:
    checks = {"store": [{"status": "fail"}]}
    assert asyncio.run(_told({"status": "fail", "checks": checks})) == checks
    assert asyncio.run(_told(["nonsense"])) == {}
    assert asyncio.run(_told({"checks": 7})) == {}
