"""Looks at health are what a new user would meet, not what an old connection remembers."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from chatops.events import HealthSample
from chatops.health import client, private, sample


async def _looks(keep_alive: bool) -> list[HealthSample]:
    """Two looks at a worker that says it drains to whoever asks again over a connection that it knows."""
    known: set[object] = set()

    async def answer(request: web.Request) -> web.Response:
        again = request.transport in known
        known.add(request.transport)
        return web.json_response({"status": "fail" if again else "pass"}, status=503 if again else 200)

    app = web.Application()
    app.router.add_get("/health", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/health"
        async with client(url, keep_alive=keep_alive) as http:
            return [await sample(http, url), await sample(http, url)]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("keep_alive", [False, True])
def test_a_look_takes_a_new_connection_unless_it_stands_for_one_user(keep_alive: bool) -> None:
    assert [seen.ok for seen in asyncio.run(_looks(keep_alive))] == [True, not keep_alive]


async def _told(answer: object) -> dict[str, Any]:
    """What a worker says in private that answers so."""

    async def asked(request: web.Request) -> web.Response:
        return web.json_response(answer, status=503)

    app = web.Application()
    app.router.add_get("/health", asked)
    runner = web.AppRunner(app)
    await runner.setup()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "0.ops"
        assert await private(path, "/health") == {}
        await web.UnixSite(runner, path).start()
        try:
            return await private(path, "/health")
        finally:
            await runner.cleanup()


def test_what_a_worker_says_in_private_also_where_it_fails() -> None:
    checks = {"store": [{"status": "fail"}]}
    assert asyncio.run(_told({"status": "fail", "checks": checks})) == checks
    assert asyncio.run(_told(["nonsense"])) == {}
    assert asyncio.run(_told({"checks": 7})) == {}
