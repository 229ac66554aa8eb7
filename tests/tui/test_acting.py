"""What happens when somebody asks the screen for a change: it asks back, does it once, and never in read-only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from textual.widgets import OptionList

from chatops.board import Board
from chatops.events import Event
from chatops.goals import Goal, Restart, Rollback
from chatops.tui.app import MonitorApp
from chatops.tui.confirm import Confirm
from chatops.tui.source import Source
from chatops.tui.top import TopLine
from tests.tui.feed import (
    NEW,
    NOW,
    OLD,
    Acted,
    health,
    life,
    monitor,
    painted,
    press,
    running,
    shown,
    source,
)


@pytest.mark.parametrize("answer", ["y", "n", "escape", "enter"])
def test_a_restart_is_asked_for(answer: str) -> None:
    async def scenario() -> None:
        act = Acted()
        app = monitor(source(life(), act=act))
        async with running(app) as pilot:
            await press(pilot, "r")
            assert isinstance(app.screen, Confirm)
            asked = " ".join(str(label.render()) for label in app.screen.query("Label"))
            assert "`local`" in asked and "all 2 workers" in asked and "chatops restart local" in asked
            await press(pilot, answer)
            await app.settle()
            await painted(pilot)
            assert act.goals == ([Restart()] if answer == "y" else [])
            assert any("done in 1.2 s" in row for row in shown(app.logs)) == (answer == "y")

    asyncio.run(scenario())


def test_a_rollback_offers_what_is_kept_the_one_before_first() -> None:
    async def scenario() -> None:
        act = Acted()
        app = monitor(source(life(), act=act))
        async with running(app) as pilot:
            await press(pilot, "b")
            offered = app.screen.query_one(OptionList)
            shown_first = [str(offered.get_option_at_index(index).prompt)[:10] for index in range(2)]
            assert shown_first == [OLD, "aa00bb77d2"]
            await press(pilot, "down", "y")
            assert [goal.to for goal in act.goals if isinstance(goal, Rollback)] == ["aa00bb77d2"]

    asyncio.run(scenario())


def test_read_only_changes_nothing() -> None:
    async def scenario() -> None:
        app = monitor(source(life()))
        async with running(app) as pilot:
            await press(pilot, "r", "b")
            assert not isinstance(app.screen, Confirm)
            assert "read-only" in shown(app.query_one(TopLine))[0]
            names = [command.title for command in app.get_system_commands(app.screen)]
            assert "wrap long lines" in names and "restart" not in names

    asyncio.run(scenario())


def test_leaving_while_something_is_carried_out_takes_two() -> None:
    async def scenario() -> None:
        ended = []

        async def act(goal: Goal) -> AsyncIterator[Event]:
            try:
                await asyncio.Event().wait()
                yield health(NOW, NEW)
            finally:
                ended.append(goal)

        app = MonitorApp([Source(name="local", feed=source(life()).feed, look=source([]).look, act=act)], Board(["local"]))
        async with running(app) as pilot:
            await press(pilot, "r", "y", "q")
            assert app.is_running and not ended
            await pilot.press("q")
        await app.settle()
        assert ended == [Restart()]

    asyncio.run(scenario())
