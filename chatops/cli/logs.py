"""`chatops logs`: what the app says, merged over its workers, then live."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chatops.cli import invocation
from chatops.cli.invocation import Invocation
from chatops.cli.naming import TargetName
from chatops.errors import ConfigError
from chatops.frozen import frozen

if TYPE_CHECKING:
    from chatops.events import LogLine, Notice
    from chatops.filters import Ending, Filter
    from chatops.render.output import Output
    from chatops.targets.base import Target

    Show = Callable[[LogLine | Notice], None]

LINES = 100
"""How many lines are shown where nothing else is said."""
ENDS = {"matched": 0, "failed": 8}
"""Exit codes of lines that end the watching (CONTRACT)."""


@frozen
class Reading:
    """What is read, what of it is shown, and which line ends it."""

    tail: int
    follow: bool
    utc: bool
    filter: Filter
    ending: Ending

    @property
    def live(self) -> bool:
        """Whether lines that are still to come are wanted."""
        return self.follow and (self.filter.until is None or self.filter.until > time.time())


def logs(
    context: typer.Context,
    target: TargetName = None,
    follow: Annotated[bool, typer.Option("--tail", "--follow", "-f", help="Go on with live lines.")] = False,
    lines: Annotated[int | None, typer.Option("-n", "--lines", min=0, help=f"Begin with the last N lines ({LINES}).")] = None,
    since: Annotated[str | None, typer.Option(metavar="D", help="From then on: 90s, 10m, 2h, 1d or RFC 3339.")] = None,
    until: Annotated[str | None, typer.Option(metavar="D", help="Up to then.")] = None,
    grep: Annotated[list[str] | None, typer.Option(metavar="RE", help="Lines that match (all of several).")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="RE", help="No lines that match (any of several).")] = None,
    level: Annotated[str, typer.Option(metavar="L", help="Least level: debug, info, warning or error.")] = "debug",
    worker: Annotated[list[str] | None, typer.Option(metavar="W", help="Lines of this worker: its name or number.")] = None,
    host: Annotated[list[str] | None, typer.Option(metavar="H", help="Lines of this host.")] = None,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC.")] = False,
    until_match: Annotated[str | None, typer.Option(metavar="RE", help="End with 0 at a line that matches.")] = None,
    fail_on: Annotated[str | None, typer.Option(metavar="RE", help="End with 8 at a line that matches.")] = None,
) -> None:
    """Show log lines of all workers, in the order of their times.

    A regular expression in lower case ignores case, and looks at the message and its fields as they are shown.
    The ends (--until-match, --fail-on) also look at lines that --grep, --exclude or --level hide.
    """
    from chatops import filters

    wanted = filters.Filter(
        since=filters.moment(since) if since else None,
        until=filters.moment(until) if until else None,
        workers=frozenset(worker or ()),
        hosts=frozenset(host or ()),
        level=filters.level(level),
        grep=filters.patterns(grep),
        exclude=filters.patterns(exclude),
    )
    ending = filters.Ending(until_match=filters.pattern(until_match), fail_on=filters.pattern(fail_on))
    reading = Reading(_tail(lines, since), follow, utc, wanted, ending)
    if code := invocation.run(_logs(invocation.of(context), target, reading)):
        raise typer.Exit(code)


def _tail(lines: int | None, since: str | None) -> int:
    if lines is not None and since is not None:
        raise ConfigError("`-n` and `--since` both say where to begin", "give one of them")
    return LINES if lines is None else lines


async def _logs(call: Invocation, name: str | None, reading: Reading) -> int:
    async with call.target(call.load(), name) as target, _output() as output:
        show = _json(output) if call.json else _text(call, output, reading.utc)
        async with contextlib.aclosing(_lines(target, reading)) as lines:
            return await _until_the_end(lines, reading, show)


def _output() -> Output:
    from chatops.render.output import Output

    return Output(sys.stdout)


def _json(output: Output) -> Show:
    from chatops.render import ndjson

    return lambda event: output.write(ndjson.line(event))


def _text(call: Invocation, output: Output, utc: bool) -> Show:
    """Lines are data; what we have to say of the stream is talk."""
    from chatops.events import LogLine
    from chatops.render.text import Text

    form = Text(color=call.color, utc=utc)
    return lambda event: output.write(form(event)) if isinstance(event, LogLine) else call.say(form(event))


def _lines(target: Target[Any], reading: Reading) -> AsyncGenerator[LogLine | Notice]:
    from chatops.watch import follow

    if reading.live:
        return follow(target, reading.tail, reading.filter.since, patient=False)
    return target.logs(reading.tail, False, reading.filter.since)


async def _until_the_end(lines: AsyncIterator[LogLine | Notice], reading: Reading, show: Show) -> int:
    """Shows lines to their end, to `--until`, or to a line that ends them; gives the exit code."""
    import asyncio

    until = reading.filter.until if reading.live else None
    try:
        async with asyncio.timeout(None if until is None else until - time.time()) as limit:
            return await _show(lines, reading, show)
    except TimeoutError:
        if limit.expired():
            return 0
        raise


async def _show(lines: AsyncIterator[LogLine | Notice], reading: Reading, show: Show) -> int:
    from chatops.events import Notice

    wanted, ending = reading.filter, reading.ending
    async for event in lines:
        if isinstance(event, Notice):
            show(event)
        elif wanted.selects(event):
            end = ending.of(event)
            if end or wanted.shows(event):
                show(event)
            if end:
                return ENDS[end]
    return 0
