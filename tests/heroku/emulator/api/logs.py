"""Log sessions, the streams behind them, and drains."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from tests.heroku.emulator import answers, drains, streams
from tests.heroku.emulator.api.apps import app_of
from tests.heroku.emulator.clock import stamp
from tests.heroku.emulator.cloud import Cloud, find
from tests.heroku.emulator.errors import invalid
from tests.heroku.emulator.faults import Cut
from tests.heroku.emulator.logplex import Channel, Filter, Line, as_events, as_text, follow
from tests.heroku.emulator.model import App, Drain, new_id
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.web import CLOUD, body

routes = web.RouteTableDef()
MOST_DRAINS = 5


@dataclass
class Session:
    """What a log session was asked for, and until when it may be opened."""

    channel: Channel
    filter: Filter
    lines: int
    tail: bool
    opens_until: float


SESSIONS = web.AppKey("sessions", dict[str, Session])


@routes.post("/apps/{app}/log-sessions")
async def create(request: web.Request) -> Any:
    cloud, app = app_of(request)
    wanted = await body(request)
    dyno = wanted.get("dyno") or wanted.get("dyno_name") or ""
    chosen = Filter(wanted.get("source") or "", dyno, wanted.get("type") or "")
    lines = min(int(wanted.get("lines") or 100), cloud.limits.log_lines)
    until = time.monotonic() + cloud.limits.session_unopened
    id = new_id()
    request.app[SESSIONS][id] = Session(app.log, chosen, lines, bool(wanted.get("tail")), until)
    asked = {"num": lines, "ps": dyno, "source": chosen.source, "tail": str(bool(wanted.get("tail"))).lower(), "token": id}
    url = f"{cloud.base_url}/logplex/stream?{urlencode({'channel_id': app.log.id} | asked)}"
    return 201, {"id": id, "created_at": stamp(), "updated_at": stamp(), "logplex_url": url}


@routes.get("/logplex/stream")
async def stream(request: web.Request) -> web.StreamResponse:
    cloud = request.app[CLOUD]
    session = request.app[SESSIONS].get(request.query.get("token", ""))
    if session is None or time.monotonic() > session.opens_until:
        return web.Response(status=404, text="No such session.\n")
    session.opens_until = time.monotonic() + cloud.limits.session_open
    events = streams.SSE in request.headers.get("Accept", "")
    response = web.StreamResponse(headers={"Content-Type": streams.SSE if events else "text/plain; charset=utf-8"})
    await response.prepare(request)
    cut = cloud.faults.take(Cut, stream="log")
    await _send(request, response, session, cloud, cut)
    await streams.end(request, response, cut)
    return response


async def _send(request: web.Request, response: web.StreamResponse, session: Session, cloud: Cloud, cut: Cut | None) -> None:
    """The backlog, then live lines; ends where a cut, the session's end or the channel says so."""
    format = as_events if streams.SSE in request.headers.get("Accept", "") else as_text
    sent = 0
    async with contextlib.aclosing(_batches(request, session, cloud)) as batches:
        async for batch in batches:
            data = format(batch)
            if cut and sent + len(data) >= cut.after:
                await response.write(data[: cut.after - sent])
                return
            await response.write(data)
            sent += len(data)


async def _batches(request: web.Request, session: Session, cloud: Cloud) -> AsyncGenerator[list[Line], None]:
    after = int(request.headers.get("Last-Event-ID") or 0)
    tail = session.channel.tail(session.filter) if session.tail else None
    backlog: list[Line] = session.channel.backlog(session.filter, session.lines, after)
    if backlog:
        yield backlog
    if tail is None:
        return
    closing = asyncio.get_running_loop().call_later(cloud.limits.session_open, tail.close)
    try:
        async for batch in follow(session.channel, tail, cloud.limits.stream_keep_alive):
            yield batch
    finally:
        closing.cancel()
        session.channel.tails.discard(tail)


@routes.get("/apps/{app}/log-drains")
async def every_drain(request: web.Request) -> Any:
    _, app = app_of(request)
    return Page([answers.drain(drain, app) for drain in app.drains], "created_at")


@routes.post("/apps/{app}/log-drains")
async def create_drain(request: web.Request) -> Any:
    cloud, app = app_of(request)
    url = str((await body(request)).get("url") or "")
    _demand_drain(app, url)
    drain = Drain(url=url)
    app.drains.append(drain)
    if urlsplit(url).scheme in {"http", "https"}:
        drain.work = cloud.spawn(drains.feed(cloud, app, drain))
    return 201, answers.drain(drain, app)


@routes.get("/apps/{app}/log-drains/{drain}")
async def drain_info(request: web.Request) -> Any:
    _, app = app_of(request)
    return answers.drain(_drain(app, request), app)


@routes.delete("/apps/{app}/log-drains/{drain}")
async def delete_drain(request: web.Request) -> Any:
    _, app = app_of(request)
    drain = _drain(app, request)
    app.drains.remove(drain)
    if drain.work:
        drain.work.cancel()
    return answers.drain(drain, app)


def _drain(app: App, request: web.Request) -> Drain:
    found: Drain = find(app.drains, request.match_info["drain"], "log drain", "url", "token")
    return found


def _demand_drain(app: App, url: str) -> None:
    if urlsplit(url).scheme not in {"http", "https", "syslog", "syslog+tls"}:
        raise invalid("URL is invalid.")
    if any(drain.url == url for drain in app.drains):
        raise invalid("Url has already been taken")
    if len(app.drains) >= MOST_DRAINS:
        raise invalid(f"You have reached the limit of {MOST_DRAINS} log drains.")
