"""The log of an app on the emulator: backlog and live, over ended, cut and silent sessions, with no gap and no repeat."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from chatops import watch
from chatops.errors import TargetError
from chatops.events import LogLine, Notice
from chatops.targets.heroku.client import logs
from tests.heroku.emulator import Cut, Delay, Refuse
from tests.heroku.stage import Stage, act
from tests.heroku.waiting import until


async def take(lines: AsyncIterator[LogLine], last: str) -> list[str]:
    """Messages up to the one that ends so."""
    found = []
    async for line in lines:
        found.append(line.message)
        if line.message.endswith(last):
            break
    return found


def write(stage: Stage, *numbers: int) -> None:
    for number in numbers:
        stage.heroku.app("my-chat").log.write("app", "web.1", f"line {number}")


def numbers(messages: list[str]) -> list[int]:
    return [int(found[1]) for message in messages if (found := re.fullmatch(r"line (\d+)", message))]


async def cut(stage: Stage) -> None:
    """Ends the session, as the platform does when it likes, and waits until nobody reads any more."""
    log = stage.heroku.app("my-chat").log
    log.close_tails()

    async def unread() -> bool:
        return not log.tails

    await until(unread)


async def made(stage: Stage) -> None:
    """An app without code: its log is all that matters here."""
    async with stage.opened() as target:
        await target._api.create("/apps", {"name": "my-chat"})


def test_the_backlog_is_the_last_lines(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await made(stage)
        write(stage, *range(30))
        async with stage.opened() as target:
            lines = [line async for line in target.logs(10, False, None)]
            since = [line async for line in target.logs(0, False, lines[5].time)]
            none = [line async for line in target.logs(0, False, None)]
        assert [line.message for line in lines] == [f"line {number}" for number in range(20, 30)]
        assert [line.message for line in since][-5:] == [f"line {number}" for number in range(25, 30)]
        assert none == []

    act(tmp_path, story)


def test_a_session_that_ends_is_followed_by_another(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await made(stage)
        write(stage, *range(5))
        async with stage.opened() as target, aclosing(target.logs(100, True, None)) as lines:
            found = await take(lines, "line 4")
            for first in (5, 10, 15):
                stage.heroku.app("my-chat").log.close_tails()
                write(stage, *range(first, first + 5))
                found += await take(lines, f"line {first + 4}")
        assert numbers(found) == list(range(20))

    act(tmp_path, story)


@pytest.mark.parametrize("clean", [True, False], ids=["end", "reset"])
def test_cut_sessions_lose_and_double_nothing(tmp_path: Path, clean: bool) -> None:
    async def story(stage: Stage) -> None:
        await made(stage)
        for after in (700, 900, 1100):
            stage.heroku.inject(Cut(stream="log", after=after, clean=clean))
        write(stage, *range(40))
        async with stage.opened() as target, aclosing(watch.follow(target, 100, None)) as lines:
            found: list[str] = []
            async for line in lines:
                if isinstance(line, LogLine):
                    found.append(line.message)
                if found and found[-1] == "line 39":
                    break
        assert numbers(found) == list(range(40))

    act(tmp_path, story)


def test_silence_is_a_dead_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "SILENCE", 0.2)

    async def story(stage: Stage) -> None:
        await made(stage)
        async with stage.opened() as target, aclosing(target.logs(100, True, None)) as lines:
            with pytest.raises(TargetError, match="the log was silent"):
                await take(lines, "never said")

    act(tmp_path, story)


def test_text_is_read_where_the_platform_sends_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_HEADERS", {"Accept": "text/plain"})

    async def story(stage: Stage) -> None:
        await made(stage)
        write(stage, *range(5))
        async with stage.opened() as target, aclosing(target.logs(100, True, None)) as lines:
            found = await take(lines, "line 4")
            await asyncio.sleep(1.2)  # a keep-alive NUL comes by
            write(stage, 5)
            found += await take(lines, "line 5")
        assert numbers(found) == list(range(6))

    act(tmp_path, story)


def test_a_busy_log_is_told_and_comes_back(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await made(stage)
        write(stage, 0)
        async with stage.opened() as target, aclosing(watch.follow(target, 10, None)) as lines:
            async for line in lines:
                if isinstance(line, LogLine) and line.message == "line 0":
                    break
            stage.heroku.inject(Refuse(path="/apps/*/log-sessions", status=403, times=2))
            await cut(stage)
            write(stage, 1)
            said: list[LogLine | Notice] = []
            async for line in lines:
                said.append(line)
                if isinstance(line, LogLine):
                    break
        assert isinstance(said[0], Notice)
        assert said[-1].message == "line 1"

    act(tmp_path, story)


def test_lines_that_the_platform_dropped_are_told(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await made(stage)
        write(stage, 0)
        async with stage.opened() as target, aclosing(target.logs(10, True, None)) as lines:
            await take(lines, "line 0")
            stage.heroku.inject(Delay(path="/apps/*/log-sessions", seconds=0.5))
            await cut(stage)
            write(stage, *range(1, 2001))
            found = await take(lines, "line 2000")
        assert any("lines before this one may be missing" in message for message in found)

    act(tmp_path, story)


def test_a_flood_arrives_whole(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await made(stage)
        write(stage, 0)
        async with stage.opened() as target, aclosing(target.logs(10, True, None)) as lines:
            found = await take(lines, "line 0")
            flood = asyncio.create_task(_flood(stage))
            found += await take(lines, "line 20000")
            await flood
        assert numbers(found) == list(range(20001))

    act(tmp_path, story)


async def _flood(stage: Stage) -> None:
    for first in range(1, 20001, 200):
        write(stage, *range(first, first + 200))
        await asyncio.sleep(0.005)


def test_workers_show_memory_from_the_log_and_cpu_from_the_app(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.deploy()).ok
        async with stage.opened() as target, aclosing(target.logs(50, True, None)) as lines:
            async for line in lines:
                if "memory_total" in line.fields:
                    break
            worker = (await target.workers())[0]
        assert worker.name == "web.1"
        assert worker.state == "up"
        assert worker.memory_bytes
        assert worker.uptime_seconds is not None

    act(tmp_path, story)
