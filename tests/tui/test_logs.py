"""The log pane as a reader meets it: following, staying put, finding, filtering, and text that means harm."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chatops.board import Board
from chatops.board.lines import Ring
from chatops.tui.app import MonitorApp
from chatops.tui.logbar import LogBar
from chatops.tui.logs import LogPane
from chatops.tui.logstatus import LogStatus
from tests.tui.feed import NOW, line, painted, press, running, shown, source


def app_with(count: int, capacity: int = 1000, text: str = "") -> MonitorApp:
    """A screen over `count` numbered lines."""
    events = [line(NOW, number, "w-1", message=text or f"line {number}") for number in range(count)]
    return MonitorApp([source(events)], Board(["local"], Ring(lines=capacity), clock=lambda: NOW))


def add(app: MonitorApp, first: int, count: int) -> None:
    """More lines arrive."""
    for number in range(first, first + count):
        app.board.apply(line(NOW, number, "w-1", message=f"line {number}"))


def messages(app: MonitorApp) -> list[str]:
    """What the pane shows, without what stands before the messages."""
    return [row[app.logs.look.indent :] for row in shown(app.logs) if row]


def status(app: MonitorApp) -> str:
    """The line under the pane."""
    return shown(app.query_one(LogStatus))[0]


def test_it_follows_the_end() -> None:
    async def scenario() -> None:
        app = app_with(100)
        async with running(app) as pilot:
            assert messages(app)[-1] == "line 99"
            add(app, 100, 50)
            await painted(pilot)
            assert messages(app)[-1] == "line 149"
            assert "following" in status(app) and "150 lines" in status(app)

    asyncio.run(scenario())


def test_what_is_read_stays_put_while_lines_come_and_go() -> None:
    async def scenario() -> None:
        app = app_with(1000)
        async with running(app) as pilot:
            await press(pilot, "pageup", "pageup")
            before = messages(app)
            add(app, 1000, 700)
            await painted(pilot)
            assert messages(app) == before
            assert "pinned, +700 new" in status(app)
            await press(pilot, "G")
            assert messages(app)[-1] == "line 1699"
            assert "newest 1,000 of 1,700 lines" in status(app)

    asyncio.run(scenario())


def test_lines_that_left_are_followed_by_the_oldest_still_here() -> None:
    async def scenario() -> None:
        app = app_with(1000)
        async with running(app) as pilot:
            await press(pilot, "g")
            add(app, 1000, 900)
            await painted(pilot)
            assert messages(app)[0] == "line 900"
            add(app, 1900, 10)
            await painted(pilot)
            assert messages(app)[0] == "line 910"

    asyncio.run(scenario())


def test_scrolling_down_to_the_end_follows_again() -> None:
    async def scenario() -> None:
        app = app_with(200)
        async with running(app) as pilot:
            await press(pilot, "pageup")
            assert not app.logs.follow
            await press(pilot, "pagedown", "pagedown")
            assert app.logs.follow

    asyncio.run(scenario())


def test_a_window_that_grows_does_not_let_go_of_what_is_read() -> None:
    async def scenario() -> None:
        app = app_with(200)
        async with running(app, (120, 40)) as pilot:
            await press(pilot, "f")
            await pilot.resize_terminal(80, 50)
            await painted(pilot)
            add(app, 200, 30)
            await painted(pilot)
            assert not app.logs.follow
            assert "+30 new" in status(app)

    asyncio.run(scenario())


def test_finding_goes_back_and_forth_and_highlights() -> None:
    async def scenario() -> None:
        app = app_with(300)
        async with running(app) as pilot:
            await press(pilot, "slash", *"line .7$", "enter")
            assert app.logs.current().endswith("line 97")
            await press(pilot, "N")
            assert app.logs.current().endswith("line 87")
            await press(pilot, "n")
            assert app.logs.current().endswith("line 97")
            styles = [
                seg.style for y in range(app.logs.size.height) for seg in app.logs.render_line(y) if seg.text == "line 97"
            ]
            assert styles and styles[0] and styles[0].underline
            await press(pilot, "escape")
            assert app.logs.look.found is None

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("7$", [7, 17, 27]),
        ("!7$", [number for number in range(30) if number % 10 != 7]),
        ("^line 1 !7$ !3$", [10, 11, 12, 14, 15, 16, 18, 19]),
        ("LINE", []),
    ],
)
def test_only_what_is_asked_for(words: str, kept: list[int]) -> None:
    async def scenario() -> None:
        app = app_with(30)
        async with running(app, (120, 60)) as pilot:
            app.action_words("only")
            app.query_one(LogBar).query_one("#logbar-words").value = words.replace("1 ", "1[0-9] ")  # type: ignore[attr-defined]
            await press(pilot, "enter")
            assert messages(app) == [f"line {number}" for number in kept]

    asyncio.run(scenario())


def test_a_wrong_expression_is_said_where_it_was_typed() -> None:
    async def scenario() -> None:
        app = app_with(30)
        async with running(app) as pilot:
            await press(pilot, "slash", "tab", "(", "enter")
            assert "is no regular expression" in str(app.query_one("#logbar-wrong").render())
            assert app.query_one(LogBar).display
            await press(pilot, "escape")
            assert not app.query_one(LogBar).display
            assert len(app.logs.view) == 30

    asyncio.run(scenario())


def test_errors_are_jumped_to_and_levels_hidden() -> None:
    async def scenario() -> None:
        app = MonitorApp([source(line(NOW, number) for number in range(70))], Board(["local"], clock=lambda: NOW))
        async with running(app) as pilot:
            await press(pilot, "e")
            assert "connection reset" in app.logs.current()
            await press(pilot, "v", "v")
            assert {row[app.logs.look.indent - 2] for row in shown(app.logs) if row} == {"W", "E"}

    asyncio.run(scenario())


def test_long_lines_wrap_and_nothing_of_them_is_lost() -> None:
    async def scenario() -> None:
        text = "".join(f"{number:04}" for number in range(100)) + "界" * 40
        app = app_with(3, text=text)
        async with running(app, (80, 40)) as pilot:
            assert len(messages(app)) == 3
            await press(pilot, "z")
            rows = [row[app.logs.look.indent :] for row in shown(app.logs) if row]
            assert "".join(rows) == text * 3
            await press(pilot, "z")
            assert len(messages(app)) == 3

    asyncio.run(scenario())


HARM = (
    "[red]not markup[/nope]",
    "[/]",
    "$(touch x) \\[b]",
    "emoji 👩‍👩‍👧 and 界",
    "lone \ud800 surrogate",
    "a\tb",
    "x" * 65_000,
    "",
)


@pytest.mark.parametrize("wrapped", [False, True])
def test_foreign_text_is_shown_as_it_is(wrapped: bool) -> None:
    async def scenario() -> None:
        events = [line(NOW, 0, "[bold]w[/]", message=text) for text in HARM]
        app = MonitorApp([source(events)], Board(["local"], clock=lambda: NOW))
        async with running(app) as pilot:
            await press(pilot, *(["z"] if wrapped else []), "g")
            rows = "\n".join(shown(app.logs))
            assert "[red]not markup[/nope]" in rows and "[bold]w[/]" in rows
            await press(pilot, "down", "c", "l", "h")

    asyncio.run(scenario())


def test_what_is_shown_can_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        app = app_with(30)
        async with running(app) as pilot:
            await press(pilot, "ampersand", "7", "$", "enter", "ctrl+s")

    asyncio.run(scenario())
    (saved,) = tmp_path.glob("chatops-local-*.log")
    assert [row.rpartition(" ")[2] for row in saved.read_text().splitlines()] == ["7", "17", "27"]


def test_selected_text_is_what_was_shown() -> None:
    async def scenario() -> None:
        app = app_with(30)
        async with running(app) as pilot:
            pane = app.query_one(LogPane)
            start = pane.content_region.offset
            await pilot.mouse_down(offset=(start.x + app.logs.look.indent, start.y + 1))
            await pilot.hover(offset=(start.x + 50, start.y + 2))
            await pilot.mouse_up(offset=(start.x + 50, start.y + 2))
            first, second = messages(app)[1:3]
            text = app.screen.get_selected_text() or ""
            assert text.splitlines()[0] == first
            assert text.splitlines()[1].endswith(second)

    asyncio.run(scenario())
