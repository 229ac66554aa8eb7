"""`chatops status`: one screen about a target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation
from chatops.cli.naming import TargetName
from chatops.sanitize import sanitize

if TYPE_CHECKING:
    from chatops.events import HealthSample
    from chatops.model import State, Worker


def status(
    context: typer.Context,
    target: TargetName = None,
) -> None:
    """Show url, release, workers and health of a target."""
    invocation.run(report(invocation.of(context), target))


async def report(call: Invocation, name: str | None) -> None:
    """Prints the screen, or CONTRACT's object."""
    config = call.load()
    async with call.target(config, name) as target:
        state = await target.inspect(closely=True)
    seen = await _look(state, config.app.health)
    if call.json:
        call.answer(as_json(state, seen))
    else:
        print(text(state, seen))


async def _look(state: State, path: str) -> HealthSample | None:
    if state.url is None or state.unseen:
        return None
    from chatops import health

    async with health.client(state.url, state.authority) as http:
        return await health.sample(http, state.url + path, state.target)


def verdict(state: State, seen: HealthSample | None) -> str:
    """healthy | degraded | down | absent; where nobody can ask from here, the workers tell."""
    if state.release is None:
        return "absent"
    serving = [worker for worker in state.workers if worker.release == state.release.id]
    up = any(worker.state == "up" for worker in serving) if state.unseen else seen is not None and seen.ok
    if not up:
        return "down"
    ailing = any(worker.state in {"down", "crashed"} for worker in serving)
    return "degraded" if state.notices or (seen and seen.message) or ailing else "healthy"


def as_json(state: State, seen: HealthSample | None) -> dict[str, Any]:
    """CONTRACT's object."""
    from chatops.cli.releases import as_json as release
    from chatops.events import plain, rfc3339

    return {
        "target": state.target,
        "kind": state.kind,
        "url": state.url,
        "state": verdict(state, seen),
        "release": release(state.release) if state.release else None,
        "releases": [release(kept) for kept in state.releases],
        "workers": plain(state.workers),
        "health": plain(_health(state, seen)),
        "unseen": state.unseen or None,
        "lock": {**plain(state.lock), "since": rfc3339(state.lock.since)} if state.lock else None,
        "notices": list(state.notices),
    }


def _health(state: State, seen: HealthSample | None) -> dict[str, Any] | None:
    """What was asked from here is null where nobody could ask, and all of it where no worker said anything either."""
    checks = _checks(state, seen)
    if seen is None and not checks:
        return None
    asked = {name: getattr(seen, name, None) for name in ("ok", "status", "latency_ms", "connections")}
    return {**asked, "checks": checks}


def _checks(state: State, seen: HealthSample | None) -> Mapping[str, Any]:
    """What the app says in private counts for more than what it says to everybody."""
    return {**(seen.checks if seen else {}), **state.checks}


def text(state: State, seen: HealthSample | None) -> str:
    """The screen."""
    from chatops.render.columns import columns
    from chatops.render.console import age

    lines = [f"target    {state.target} ({state.kind})", f"state     {verdict(state, seen)}", f"url       {state.url or '-'}"]
    if state.release:
        facts = [f"deployed {age(state.release.created)} ago"] if state.release.created else []
        facts += [f"by {state.release.by}"] if state.release.by else []
        facts += [f"git {state.release.git}"] if state.release.git else []
        lines.append(f"release   {state.release.id}" + (f" ({', '.join(facts)})" if facts else ""))
    if seen:
        lines.append(
            f"health    {'ok' if seen.ok else 'failing'}, {seen.status}, {seen.latency_ms:.0f} ms {seen.message}".rstrip()
        )
    elif state.unseen:
        lines.append(f"health    not asked: {state.unseen}")
    if told := ", ".join(_told(_checks(state, seen))):
        lines.append(f"checks    {told}")
    if state.lock:
        lines.append(f"lock      {state.lock.who} runs `{state.lock.what}` for {age(state.lock.since)}")
    lines += [f"!         {notice}" for notice in state.notices]
    if state.workers:
        heads = ("worker", "host", "pid", "state", "cpu", "memory", "restarts", "uptime", "release")
        lines += ["", columns(heads, [_row(worker) for worker in state.workers])]
    return "\n".join(lines)


def _told(checks: Mapping[str, Any]) -> Iterator[str]:
    """`postgres pass` for each check of health+json."""
    for name, rows in checks.items():
        for row in rows:
            if "status" in row:
                yield sanitize(f"{row.get('componentId') or name} {row['status']}")


def _row(worker: Worker) -> tuple[str, ...]:
    def shown(value: float | None, form: str, unit: float = 1) -> str:
        return "-" if value is None else form.format(value / unit)

    return (
        worker.name,
        worker.host or "-",
        shown(worker.pid, "{:.0f}"),
        worker.state,
        shown(worker.cpu_percent, "{:.0f} %"),
        shown(worker.memory_bytes, "{:.0f} MiB", 1024**2),
        shown(worker.restarts, "{:.0f}"),
        shown(worker.uptime_seconds, "{:.0f} s"),
        worker.release or "-",
    )
