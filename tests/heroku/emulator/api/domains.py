"""Domains, automatic certificates, certificates of one's own."""

import asyncio
import secrets
from typing import Any

from aiohttp import web

from tests.heroku.emulator import answers
from tests.heroku.emulator.api.apps import app_of, shown
from tests.heroku.emulator.cloud import Cloud, find
from tests.heroku.emulator.errors import invalid
from tests.heroku.emulator.model import App, Domain
from tests.heroku.emulator.ranges import Page
from tests.heroku.emulator.web import body

routes = web.RouteTableDef()
SLEEPERS = ("fierce", "quiet", "shielded", "rugged", "polar", "amber")


@routes.get("/apps/{app}/domains")
async def every(request: web.Request) -> Any:
    _, app = app_of(request)
    return Page([answers.domain(domain, app) for domain in app.domains], "hostname")


@routes.post("/apps/{app}/domains")
async def create(request: web.Request) -> Any:
    cloud, app = app_of(request)
    wanted = await body(request)
    if "sni_endpoint" not in wanted:
        raise invalid("The sni_endpoint is required, and may be null.")
    hostname = str(wanted.get("hostname") or "").lower()
    _demand_free(cloud, hostname)
    words = f"{secrets.choice(SLEEPERS)}-{secrets.choice(SLEEPERS)}-{secrets.token_hex(10)}"
    domain = Domain(hostname=hostname, cname=f"{words}.herokudns.com")
    app.domains.append(domain)
    app.log.api(f"Add {hostname} domain by user {cloud.account.email}")
    cloud.spawn(_settle(cloud, app, domain))
    return 201, answers.domain(domain, app)


@routes.get("/apps/{app}/domains/{domain}")
async def info(request: web.Request) -> Any:
    _, app = app_of(request)
    return answers.domain(_of(app, request), app)


@routes.patch("/apps/{app}/domains/{domain}")
async def change(request: web.Request) -> Any:
    _, app = app_of(request)
    domain = _of(app, request)
    domain.endpoint = (await body(request)).get("sni_endpoint")
    return answers.domain(domain, app)


@routes.delete("/apps/{app}/domains/{domain}")
async def delete(request: web.Request) -> Any:
    cloud, app = app_of(request)
    domain = _of(app, request)
    if domain.kind == "heroku":
        raise invalid("The default domain can't be removed.")
    app.domains.remove(domain)
    app.log.api(f"Remove {domain.hostname} domain by user {cloud.account.email}")
    return answers.domain(domain, app)


@routes.post("/apps/{app}/acm")
@routes.patch("/apps/{app}/acm")
async def enable_acm(request: web.Request) -> Any:
    cloud, app = app_of(request)
    app.acm = True
    for domain in app.domains:
        cloud.spawn(_settle(cloud, app, domain))
    return shown(cloud, app)


@routes.delete("/apps/{app}/acm")
async def disable_acm(request: web.Request) -> Any:
    cloud, app = app_of(request)
    app.acm = False
    for domain in app.domains:
        domain.acm_status = None
    return shown(cloud, app)


@routes.get("/apps/{app}/sni-endpoints")
async def endpoints(request: web.Request) -> Any:
    app_of(request)
    return Page([], "name")


def _of(app: App, request: web.Request) -> Domain:
    found: Domain = find(app.domains, request.match_info["domain"], "domain", "hostname")
    return found


def _demand_free(cloud: Cloud, hostname: str) -> None:
    if "." not in hostname:
        raise invalid("Hostname is not a valid domain name.")
    if any(domain.hostname == hostname for app in cloud.apps.values() for domain in app.domains):
        raise invalid(f"Domain already added to this app or another: {hostname}")


async def _settle(cloud: Cloud, app: App, domain: Domain) -> None:
    """The domain, and with ACM its certificate, become ready after a while; a state that a test has set stays."""
    if domain.kind == "heroku":
        return
    if app.acm and domain.acm_status is None:
        domain.acm_status = "in_progress"
    await asyncio.sleep(cloud.limits.domain)
    if domain.status == "pending":
        domain.status = "succeeded"
    if app.acm and domain.acm_status == "in_progress":
        domain.acm_status = "cert issued"
    domain.touch()
