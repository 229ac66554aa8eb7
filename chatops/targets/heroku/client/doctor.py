"""A read-only look at what a deploy to Heroku would need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any

from chatops.errors import ChatopsError, TargetError
from chatops.sanitize import sanitize
from chatops.targets.base import Finding
from chatops.targets.heroku.client import read
from chatops.targets.heroku.client.api import Api
from chatops.targets.heroku.client.faults import Refused
from chatops.targets.heroku.config import SINGLE, Block
from chatops.targets.heroku.plan.state import MARK

FEW_CALLS = 300
IDLE = 55
"""Seconds after which the router cuts a silent WebSocket (H15)."""


async def doctor(api: Api, block: Block, mark: str) -> list[Finding]:
    """Every finding; a token that is refused ends the look."""
    try:
        account = await api.get("/account")
    except TargetError as error:
        return [Finding("token", "error", error.message, error.hint)]
    path = read.app_path(block.app)
    app, config, limits, regions, stacks, sizes = await asyncio.gather(
        *map(_quiet, (api.get(path), api.get(f"{path}/config-vars"), api.get("/account/rate-limits"))),
        *map(_quiet, (api.all("/regions"), api.all("/stacks"), api.all("/dyno-sizes"))),
    )
    return [
        *_account(account),
        *_app(app, config, block, mark),
        *_limits(limits),
        *_known("region", block.region, regions),
        *_stack(block.stack, stacks),
        *_sizes(block, sizes),
        *_tiers(block),
    ]


async def _quiet(asked: Awaitable[Any]) -> Any:
    """The answer, or the error as a value."""
    try:
        return await asked
    except ChatopsError as error:
        return error


def _account(account: dict[str, Any]) -> Iterator[Finding]:
    email = sanitize(str(account["email"]))
    yield Finding("token", "ok", f"accepted, for {email}")
    if account.get("verified"):
        yield Finding("verification", "ok", "the account is verified")
    else:
        hint = "add a payment card at https://heroku.com/verify"
        yield Finding("verification", "warning", "the account is not verified: add-ons and several apps are refused", hint)
    if account.get("suspended_at"):
        yield Finding("account", "error", "the account is suspended", "Heroku support can tell why")
    if account.get("delinquent_at"):
        yield Finding("account", "error", "the account has an unpaid bill", "see dashboard.heroku.com/account/billing")


def _app(app: Any, config: Any, block: Block, mark: str) -> Iterator[Finding]:
    if isinstance(app, Refused) and app.status == 404:
        yield Finding("app", "ok", f"`{block.app}` is not there yet: a deploy creates it")
    elif isinstance(app, Refused) and app.status == 403:
        yield Finding(
            "app", "error", f"`{block.app}` belongs to somebody else, or the token has no right to it", "choose another `app`"
        )
    elif isinstance(app, ChatopsError):
        yield Finding("app", "error", app.message, app.hint)
    elif isinstance(config, ChatopsError):
        yield Finding("app", "error", f"the token may not read the config vars: {config.message}", config.hint)
    elif config.get(MARK) != mark:
        hint = f"choose another `app`, or hand it over by setting its config var {MARK}={mark}"
        yield Finding("app", "error", f"`{block.app}` exists and was not made by chatops for `{mark}`", hint)
    else:
        yield Finding("app", "ok", f"`{block.app}` is ours, owned by {sanitize(str(app['owner']['email']))}")


def _limits(limits: Any) -> Iterator[Finding]:
    if isinstance(limits, ChatopsError):
        return
    left = int(limits["remaining"])
    status = "ok" if left >= FEW_CALLS else "warning"
    hint = "" if left >= FEW_CALLS else "about 75 come back a minute"
    yield Finding("rate limit", "ok" if status == "ok" else "warning", f"{left} API calls left", hint)


def _known(what: str, wanted: str, items: Any, hint: str = "") -> Iterator[Finding]:
    if isinstance(items, ChatopsError):
        yield Finding(what, "warning", items.message, items.hint)
        return
    names = sorted(str(item["name"]) for item in items)
    if wanted.lower() in (name.lower() for name in names):
        yield Finding(what, "ok", f"{wanted} is there")
    else:
        yield Finding(what, "error", f"there is no {what} `{wanted}`", hint or f"one of: {', '.join(names)}")


def _stack(wanted: str | None, stacks: Any) -> Iterator[Finding]:
    if isinstance(stacks, ChatopsError) or wanted is None:
        if not isinstance(stacks, ChatopsError):
            default = next((str(stack["name"]) for stack in stacks if stack.get("default")), "the platform's default")
            yield Finding("stack", "ok", f"a new app gets {default}")
        return
    yield from _known("stack", wanted, stacks)
    if any(stack["name"] == wanted and stack.get("state") == "deprecated" for stack in stacks):
        yield Finding("stack", "warning", f"{wanted} is deprecated: builds on it will end", "leave `stack` out for the default")


def _sizes(block: Block, sizes: Any) -> Iterator[Finding]:
    for size in sorted({dynos.size for dynos in block.dynos.values()}):
        yield from _known("dyno size", size, sizes)


def _tiers(block: Block) -> Iterator[Finding]:
    web = block.dynos.get("web")
    if web and web.size in SINGLE:
        message = f"web runs on one {web.size.title()} dyno: every deploy has a restart gap"
        yield Finding("restart gap", "warning", message, "standard-1x and larger start the new dyno first (Preboot)")
    elif web:
        yield Finding("restart gap", "ok", "Preboot starts new dynos before old ones stop")
    yield Finding(
        "websockets", "ok", f"the router cuts a socket after {IDLE} s of silence: ping more often (the sample does every 25 s)"
    )
