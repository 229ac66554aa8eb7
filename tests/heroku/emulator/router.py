"""The router: visitors come in by an app's own port or by Host header, and reach one of its web dynos or an H code."""

import asyncio
import contextlib
import secrets
import time

import h11

from tests.heroku.emulator import exchange, fleet, pages
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.dyno import Dyno
from tests.heroku.emulator.model import App
from tests.heroku.emulator.pages import Failed
from tests.heroku.emulator.visit import Side, Visit

IDLE_VISITOR = 90.0


async def open_port(cloud: Cloud, app: App) -> None:
    """Opens the loopback port that stands for the app's own address."""
    server = await asyncio.start_server(lambda reader, writer: _serve(cloud, app, reader, writer), "127.0.0.1", 0)
    app.port = server.sockets[0].getsockname()[1]
    cloud.ports[app.id] = server


async def close_port(cloud: Cloud, app: App) -> None:
    server = cloud.ports.pop(app.id, None)
    if server:
        server.close()


async def open_shared_port(cloud: Cloud) -> asyncio.Server:
    """The port where the Host header says which app is meant."""
    return await asyncio.start_server(lambda reader, writer: _serve(cloud, None, reader, writer), "127.0.0.1", 0)


async def _serve(cloud: Cloud, app: App | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One visitor's connection, request after request."""
    me = asyncio.current_task()
    assert me is not None
    cloud.background.add(me)
    side = Side(h11.Connection(h11.SERVER), reader, writer)
    try:
        while await _request(cloud, app, side):
            side.connection.start_next_cycle()
    except (ConnectionError, TimeoutError, h11.RemoteProtocolError, asyncio.CancelledError):
        return
    finally:
        cloud.background.discard(me)
        with contextlib.suppress(ConnectionError):
            writer.close()


async def _request(cloud: Cloud, app: App | None, side: Side) -> bool:
    """Answers one request; whether another may follow on the connection."""
    request = await asyncio.wait_for(side.next(), IDLE_VISITOR)
    if not isinstance(request, h11.Request):
        return False
    visit = Visit(request, side, app or _by_host(cloud, request), cloud.limits, time.monotonic())
    try:
        await _route(visit)
    except Failed as failed:
        await pages.say(visit, failed)
    visit.log()
    return side.connection.our_state is h11.DONE and side.connection.their_state is h11.DONE


async def _route(visit: Visit) -> None:
    app = visit.app
    if app is None:
        raise Failed("", "No such app", 404)
    if app.maintenance:
        raise Failed("H80", "Maintenance mode", 503, "info")
    if app.current is None or app.current.slug is None:
        raise Failed("H81", "Blank app", 502, "info")
    dyno = await choose(visit, app)
    visit.dyno = dyno
    await exchange.carry(visit, dyno)


async def choose(visit: Visit, app: App) -> Dyno:
    """A web dyno that is up; a request waits for one that starts. Raises Failed."""
    deadline = visit.began + visit.limits.hold_request
    while True:
        dynos = fleet.web_dynos(app)
        ready = [dyno for dyno in dynos if dyno.state == "up"]
        starting = [dyno for dyno in dynos if dyno.state == "starting"]
        if ready:
            return secrets.choice(ready)
        if not dynos:
            raise Failed("H14", "No web processes running")
        if not starting:
            raise Failed("H10", "App crashed")
        await _changed(starting[0], deadline - time.monotonic())


async def _changed(dyno: Dyno, seconds: float) -> None:
    try:
        await asyncio.wait_for(dyno.changed.wait(), seconds)
    except TimeoutError:
        raise Failed("H20", "App boot timeout") from None


def _by_host(cloud: Cloud, request: h11.Request) -> App | None:
    host = dict(request.headers).get(b"host", b"").decode("latin-1").split(":")[0].lower()
    for app in cloud.apps.values():
        if any(host == domain.hostname for domain in app.domains):
            return app
    return None
