"""`chatops logs`, as it is typed."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from typer.testing import CliRunner, Result

from chatops.cli.invocation import Invocation, ending
from chatops.cli.logs import logs
from chatops.errors import TargetError
from tests.fakes import FakeTarget, line

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/logs.json").read_text())
MOMENT = 1_763_848_000.0


@dataclass(frozen=True)
class Call(Invocation):
    """A call of the tool whose file has one target: a fake."""

    fake: FakeTarget = field(default_factory=FakeTarget)

    def load(self) -> Any:
        return None

    @asynccontextmanager
    async def target(self, config: Any, name: str | None) -> AsyncIterator[FakeTarget]:  # type: ignore[override]
        try:
            yield self.fake
        finally:
            await self.fake.close()


def typed(text: str, fake: FakeTarget) -> Result:
    """What `chatops TEXT` gives where `fake` is the target."""
    words = shlex.split(text)
    app = typer.Typer()

    @app.callback()
    def options(context: typer.Context) -> None:
        context.obj = Call(json="--json" in words, fake=fake)
        context.with_resource(ending(context.obj))

    app.command()(logs)
    result = CliRunner().invoke(app, [word for word in words if word != "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert fake.closed or result.exit_code == 2
    return result


def messages(result: Result) -> list[str]:
    return [text.split("chat-1 ", 1)[1] for text in result.stdout.splitlines()]


@pytest.fixture
def fake() -> FakeTarget:
    """Five lines a minute apart; 3 is a warning and 4 an error."""
    levels = ("info", "info", "info", "warning", "error")
    return FakeTarget(
        history=[line(MOMENT + 60 * number, f"line {number}", level=level) for number, level in enumerate(levels)]
    )


def test_lines_go_to_standard_output(fake: FakeTarget):
    result = typed("logs --utc -n 1", fake)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "11-22 21:50:40.000Z E chat-1 line 4\n", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("logs", "0 1 2 3 4"),
        ("logs -n 2", "3 4"),
        ("logs --lines 2", "3 4"),
        ("logs -n 0", ""),
        ("logs --since 2025-11-22T21:48:40Z", "2 3 4"),
        ("logs --until 2025-11-22T21:48:40Z", "0 1 2"),
        ("logs --grep 'line [12]'", "1 2"),
        ("logs --grep line --grep 4", "4"),
        ("logs --exclude 0 --exclude 1", "2 3 4"),
        ("logs --level warning", "3 4"),
        ("logs --level e", "4"),
        ("logs --worker chat-1", "0 1 2 3 4"),
        ("logs --worker 1 --worker 2", "0 1 2 3 4"),
        ("logs --worker 2", ""),
        ("logs --host h", ""),
        ("logs fake", "0 1 2 3 4"),
    ],
)
def test_what_is_shown(fake: FakeTarget, text: str, shown: str):
    result = typed(text, fake)
    assert result.exit_code == 0
    assert messages(result) == [f"line {number}" for number in shown.split()]


def test_a_hundred_lines_where_nothing_is_said(fake: FakeTarget):
    typed("logs", fake)
    assert fake.asked == [("logs", 100, False, None)]


@pytest.mark.parametrize("flag", ["-f", "--tail", "--follow"])
def test_backlog_then_live_lines(fake: FakeTarget, flag: str):
    fake.live = [line(MOMENT + 300, "line 5"), 0.01, line(MOMENT + 301, "line 6")]
    assert messages(typed(f"logs {flag} -n 2", fake)) == ["line 3", "line 4", "line 5", "line 6"]


def test_a_cut_is_talk_and_costs_no_line(fake: FakeTarget):
    fake.live = [TargetError("reset by peer"), line(MOMENT + 300, "line 5")]
    result = typed("logs -f -n 2", fake)
    assert messages(result) == ["line 3", "line 4", "line 5"]
    assert "lost (reset by peer); trying again" in result.stderr
    assert "nothing missing" in result.stderr


def test_a_target_out_of_reach_is_3(fake: FakeTarget):
    fake.history, fake.live = [], [TargetError("no route to host", "is it on?")]
    result = typed("logs -f", fake)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.splitlines() == ["error: no route to host", "hint: is it on?"]


@pytest.mark.parametrize(
    ("text", "code", "last"),
    [
        ("logs -f --until-match 'line 5'", 0, "line 5"),
        ("logs -f --fail-on 'line 5'", 8, "line 5"),
        ("logs -f --until-match 'line 6' --fail-on 'line 5'", 8, "line 5"),
        ("logs -f --until-match line --fail-on line", 8, "line 0"),
        ("logs -f --level error --until-match 'line 5'", 0, "line 5"),
        ("logs --fail-on 'line 2'", 8, "line 2"),
        ("logs --fail-on nothing", 0, "line 4"),
    ],
)
def test_content_ends_it(fake: FakeTarget, text: str, code: int, last: str):
    fake.live = [line(MOMENT + 300, "line 5"), 60.0]
    result = typed(text, fake)
    assert (result.exit_code, messages(result)[-1]) == (code, last)


def test_lines_of_other_workers_end_nothing(fake: FakeTarget):
    fake.live = [line(MOMENT + 300, "boom", worker="chat-2")]
    assert typed("logs -f --worker chat-1 --fail-on boom", fake).exit_code == 0


def test_following_ends_at_a_time(fake: FakeTarget):
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    fake.live = [60.0]
    begun = time.monotonic()
    assert typed(f"logs -f --until {soon}", fake).exit_code == 0
    assert time.monotonic() - begun < 10


def test_following_to_a_time_that_is_over_is_reading(fake: FakeTarget):
    fake.live = [60.0]
    assert messages(typed("logs -f --until 2025-11-22T21:47:40Z", fake)) == ["line 0", "line 1"]


def test_json_lines_follow_the_schema(fake: FakeTarget):
    fake.live = [TargetError("reset"), line(MOMENT + 300, "line 5", fields={"a": 1})]
    result = typed("logs -f --json", fake)
    events = [json.loads(text) for text in result.stdout.splitlines()]
    for event in events:
        jsonschema.validate(event, SCHEMA)
    assert [event["type"] for event in events] == ["log"] * 5 + ["notice"] * 2 + ["log"]
    assert result.stderr == ""


def test_no_colour_in_a_pipe(fake: FakeTarget):
    assert "\x1b" not in typed("logs", fake).stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("logs --since 10x", "error: `10x` is no time"),
        ("logs --until soon", "error: `soon` is no time"),
        ("logs --grep '('", "error: `(` is no regular expression"),
        ("logs --level loud", "error: `loud` is no level"),
        ("logs -n 5 --since 10m", "error: `-n` and `--since` both say where to begin"),
    ],
)
def test_wrong_command_lines_are_2_and_say_why(fake: FakeTarget, text: str, said: str):
    result = typed(text, fake)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
    assert "hint: " in result.stderr


def test_a_negative_number_of_lines_is_2(fake: FakeTarget):
    assert typed("logs -n -1", fake).exit_code == 2


def test_workers_are_told_apart(fake: FakeTarget):
    fake.history = [line(MOMENT, "x"), line(MOMENT, "y", worker="chat-2")]
    assert [text.split()[3] for text in typed("logs", fake).stdout.splitlines()] == ["chat-1", "chat-2"]
