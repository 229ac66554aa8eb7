"""The monitor's screen: what it shows of a life, in whatever room there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chatops.board import Board
from chatops.errors import TargetError
from chatops.events import Event
from chatops.model import State
from chatops.tui.app import MonitorApp
from chatops.tui.help import Help
from chatops.tui.source import Source
from chatops.tui.strip import HealthStrip
from chatops.tui.tiles import Tiles
from chatops.tui.top import Overview, TopLine
from chatops.tui.workers import WorkerTable
from tests.tui.feed import (
    NEW,
    NOW,
    OLD,
    health,
    kept,
    life,
    line,
    monitor,
    painted,
    press,
    running,
    shown,
    source,
    workers,
)


def test_a_whole_life_on_one_screen() -> None:
    async def scenario() -> None:
        app = monitor(source(life()))
        async with running(app):
            tiles = "\n".join(shown(app.query_one(Tiles)))
            for word in ("● healthy", "p50 5.5 ms", "p95 8.5 ms", "2/2 up", "1m40s old", "99.0 % ok", "8 errors logged"):
                assert word in tiles
            strip = shown(app.query_one(HealthStrip))
            assert strip[0].count("▲") == 5 and strip[0].count("✖") == 1 and strip[0].count("▄") == 94
            assert f"▼ {NEW}" in strip[2] and OLD not in strip[2]
            table = shown(app.query_one(WorkerTable))
            assert f"chat-{NEW}-1" in table[2] and "● up" in table[2] and "75.0M" in table[2]
            assert any(f"▼ release {NEW} answers" in row for row in shown(app.logs))
            assert "http://127.0.0.1:3000" in shown(app.query_one(TopLine))[0]

    asyncio.run(scenario())


def test_it_paints_before_it_connects() -> None:
    async def scenario() -> None:
        connected = asyncio.Event()

        async def feed() -> AsyncIterator[Event]:
            assert shown(app.query_one(Tiles))[0].strip().startswith("STATE")
            connected.set()
            yield health(NOW, NEW)
            await asyncio.Event().wait()

        async def look() -> object:
            return kept()

        app = MonitorApp([Source(name="local", feed=feed, look=look)], Board(["local"], clock=lambda: NOW))  # type: ignore[arg-type]
        async with running(app) as pilot:
            await asyncio.wait_for(connected.wait(), 5)
            await painted(pilot)
            assert "healthy" in shown(app.query_one(TopLine))[0]

    asyncio.run(scenario())


def test_a_state_from_before_a_switch_is_looked_up_again() -> None:
    async def scenario() -> None:
        switched, told = asyncio.Event(), asyncio.Event()
        states = [kept(NEW), kept(OLD)]

        async def feed() -> AsyncIterator[Event]:
            await switched.wait()
            yield health(NOW - 1, OLD)
            yield health(NOW, NEW)
            told.set()
            await asyncio.Event().wait()

        async def look() -> State:
            state = states.pop()
            switched.set()
            await told.wait()
            return state

        app = MonitorApp([Source(name="local", feed=feed, look=look)], Board(["local"], clock=lambda: NOW))
        async with running(app):
            assert not states
            assert [release.id for release in app.board.targets["local"].releases][:2] == [NEW, OLD]

    asyncio.run(scenario())


def test_a_feed_that_breaks_is_said_and_the_screen_stays() -> None:
    async def scenario() -> None:
        async def feed() -> AsyncIterator[Event]:
            yield health(NOW, NEW)
            raise TargetError("host went away")

        async def look() -> object:
            raise TargetError("no reach")

        app = MonitorApp([Source(name="local", feed=feed, look=look)], Board(["local"], clock=lambda: NOW))  # type: ignore[arg-type]
        async with running(app) as pilot:
            while not app.board.targets["local"].lost:
                await pilot.pause()
            await painted(pilot)
            assert "◌ unknown" in shown(app.query_one(TopLine))[0]
            assert "host went away" in shown(app.query_one(TopLine))[0]

    asyncio.run(scenario())


def test_a_chosen_worker_filters_the_logs_until_it_is_gone() -> None:
    async def scenario() -> None:
        app = monitor(source(life()))
        async with running(app) as pilot:
            app.query_one(WorkerTable).focus()
            await press(pilot, "down", "enter")
            names = {row.split()[1] for row in shown(app.logs) if row and "▼" not in row}
            assert names == {f"chat-{NEW}-1"}
            app.board.apply(workers("0123456789", NOW))
            await painted(pilot)
            assert app.logs.query_shown.worker == ""

    asyncio.run(scenario())


def test_several_targets_have_a_row_each_and_their_own_logs() -> None:
    async def scenario() -> None:
        other = [health(NOW, "r2", ok=False, target="vps"), line(NOW, 1, "w", target="vps", message="from the vps")]
        app = monitor(source(life()), source(other, "vps"))
        async with running(app) as pilot:
            rows = shown(app.query_one(Overview))
            assert rows[0].startswith("▶ local") and "● healthy" in rows[0]
            assert rows[1].startswith("  vps") and "▲ degraded" in rows[1] and "answers 503" in rows[1]
            assert not any("from the vps" in row for row in shown(app.logs))
            await press(pilot, "right_square_bracket")
            assert any(row.endswith("from the vps") for row in shown(app.logs))
            assert not any("local" in row or "lobby" in row for row in shown(app.logs))
            await press(pilot, "a")
            assert any("vps/w" in row for row in app.logs.lines())
            assert any("lobby" in row for row in app.logs.lines())

    asyncio.run(scenario())


def test_pausing_holds_everything_still() -> None:
    async def scenario() -> None:
        app = monitor(source(life()))
        async with running(app) as pilot:
            await press(pilot, "space")
            before = shown(app.logs), shown(app.query_one(Tiles))
            for number in range(9):
                app.board.apply(health(NOW + number, NEW, ok=False))
                app.board.apply(line(NOW + number, 3))
            await painted(pilot)
            assert (shown(app.logs), shown(app.query_one(Tiles))) == before
            assert "PAUSED" in shown(app.query_one(TopLine))[0]
            await press(pilot, "space")
            assert "✖ down" in shown(app.query_one(Tiles))[1] and app.logs.follow

    asyncio.run(scenario())


@pytest.mark.parametrize(("size", "panes"), [((80, 24), 6), ((100, 30), 6), ((59, 20), 3), ((120, 14), 3), ((20, 5), 3)])
def test_what_is_left_on_little_room(size: tuple[int, int], panes: int) -> None:
    async def scenario() -> None:
        app = monitor(source(life()))
        async with running(app, size):
            seen = [
                pane for pane in ("top", "tiles", "strip", "workers", "logs", "status") if app.query_one(f"#{pane}").size.height
            ]
            assert len(seen) == panes
            assert "healthy" in shown(app.query_one(TopLine))[0]
            assert app.logs.size.height >= 2
            if size[1] >= 24:
                assert app.logs.size.height >= 0.4 * size[1]

    asyncio.run(scenario())


def test_help_names_every_key() -> None:
    async def scenario() -> None:
        app = monitor(source(life()))
        async with running(app) as pilot:
            await press(pilot, "question_mark")
            assert isinstance(app.screen, Help)
            page = str(app.screen.query_one("Static").render())
            for words in ("find", "wrap long lines", "roll back", "its logs", "page up"):
                assert words in page
            await press(pilot, "q")
            assert not isinstance(app.screen, Help)

    asyncio.run(scenario())


def test_zoom_and_panes() -> None:
    async def scenario() -> None:
        app = monitor(source(life()))
        async with running(app) as pilot:
            await press(pilot, "enter")
            assert app.logs.size.height == 40 - 3 - 2
            await press(pilot, "escape", "4")
            assert not app.query_one(WorkerTable).display
            await press(pilot, "4", "T")
            await press(pilot, "escape", "plus", "minus", "t", "m")
            assert any("mark" in row for row in shown(app.logs))

    asyncio.run(scenario())


@pytest.mark.parametrize("theme", ["chatops", "chatops-light", "chatops-blue-orange", "ansi-dark", "nord"])
def test_every_state_has_a_shape_of_its_own_in_every_theme(theme: str) -> None:
    async def scenario() -> None:
        app = monitor(source(life()))
        async with running(app) as pilot:
            app.theme = theme
            await painted(pilot)
            assert "● healthy" in shown(app.query_one(TopLine))[0]

    asyncio.run(scenario())


def test_without_colour_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scenario() -> None:
        app = monitor(source(life()))
        async with running(app):
            assert app.no_color

    asyncio.run(scenario())
