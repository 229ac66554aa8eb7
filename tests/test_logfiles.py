"""Log files of several workers as one stream in the order of their times."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path

import pytest

from chatops.events import LogLine, rfc3339
from chatops.logfiles import read
from chatops.loglines import Origin
from chatops.redact import Redactor

THEN = 1_763_848_000.0


class Logs:
    """A folder of log files and what they are read as."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self) -> dict[Path, Origin]:
        return {path: Origin(target="local", worker=path.stem) for path in sorted(self.folder.glob("*.log"))}

    def write(self, worker: str, *lines: str) -> None:
        with (self.folder / f"{worker}.log").open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def say(self, worker: str, moments: Iterable[float], base: float = THEN) -> None:
        """JSON lines whose message is their time."""
        self.write(
            worker, *(json.dumps({"time": (base + moment) * 1000, "level": 30, "msg": f"{moment:g}"}) for moment in moments)
        )

    def backlog(self, tail: int = 100, since: float | None = None) -> list[LogLine]:
        async def consume() -> list[LogLine]:
            return [line async for line in read(self.find, tail, False, since)]

        return asyncio.run(consume())

    def messages(self, tail: int = 100, since: float | None = None) -> list[str]:
        return [line.message for line in self.backlog(tail, since)]


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def test_workers_are_merged_in_the_order_of_their_times(logs: Logs):
    logs.say("a", [1, 4, 5])
    logs.say("b", [2, 3, 6])
    assert [(line.worker, line.message) for line in logs.backlog()] == [
        ("a", "1"), ("b", "2"), ("b", "3"), ("a", "4"), ("a", "5"), ("b", "6"),
    ]  # fmt: skip


def test_the_last_lines_are_those_of_all_workers_together(logs: Logs):
    logs.say("a", range(0, 100, 2))
    logs.say("b", range(1, 50, 2))
    assert logs.messages(tail=4) == ["92", "94", "96", "98"]
    assert logs.messages(tail=30)[:3] == ["45", "46", "47"]


def test_lines_since_a_time(logs: Logs):
    logs.say("a", range(10))
    logs.say("b", [8.5])
    assert logs.messages(since=THEN + 8) == ["8", "8.5", "9"]


def test_lines_without_a_time_stay_with_the_line_before_them(logs: Logs):
    logs.write("a", f"{rfc3339(THEN)} Error: no", "    at server.js:1", f"{rfc3339(THEN + 2)} go on")
    logs.say("b", [1])
    assert logs.messages() == ["Error: no", "    at server.js:1", "1", "go on"]


def test_lines_before_the_first_time_come_with_it(logs: Logs):
    logs.write("a", "    at server.js:1", f"{rfc3339(THEN)} x")
    logs.say("b", [1])
    assert logs.messages() == ["    at server.js:1", "x", "1"]


def test_a_file_without_times_has_the_time_it_was_written(logs: Logs):
    logs.write("a", "plain")
    os.utime(logs.folder / "a.log", (THEN, THEN))
    assert [line.time for line in logs.backlog()] == [THEN]


def test_the_last_line_needs_no_newline(logs: Logs):
    (logs.folder / "a.log").write_text("one\ntwo")
    assert logs.messages() == ["one", "two"]


def test_secrets_are_hidden(logs: Logs):
    logs.write("a", "token hunter2hunter2")

    async def consume() -> list[str]:
        return [line.message async for line in read(logs.find, 10, False, None, Redactor(["hunter2hunter2"]))]

    assert asyncio.run(consume()) == ["token [redacted]"]


# ---------------------------------------------------------------- live


async def following(logs: Logs, count: int, tail: int = 100, during: Iterable[object] = ()) -> list[str]:
    """The first `count` messages; each of `during` (functions) is called when the line of its number has come."""
    told: list[str] = []
    steps = iter(during)
    async with asyncio.timeout(20), aclosing(read(logs.find, tail, True)) as lines:
        async for line in lines:
            told.append(line.message)
            if len(told) == count:
                return told
            if (step := next(steps, None)) is not None:
                step()  # type: ignore[operator]
    return told


def test_backlog_then_live_lines_without_gap_or_repeat(logs: Logs):
    logs.say("a", range(3))
    later = [lambda n=n: logs.say("a", [n]) for n in range(3, 10)]
    assert asyncio.run(following(logs, 10, during=later)) == [str(number) for number in range(10)]


def test_a_worker_that_comes_later_is_read_from_its_first_line(logs: Logs):
    logs.say("a", [1])
    assert asyncio.run(following(logs, 3, during=[lambda: logs.say("b", [2, 3])])) == ["1", "2", "3"]


def test_live_lines_of_several_workers_come_in_the_order_of_their_times(logs: Logs):
    logs.say("a", [0])
    logs.say("b", [0.1])

    def write() -> None:
        now = time.time() - THEN
        logs.say("b", [round(now + 0.2, 3)])
        logs.say("a", [round(now + 0.1, 3)])

    told = asyncio.run(following(logs, 4, during=[lambda: None, write]))
    assert told == sorted(told, key=float)


def test_files_are_given_back(logs: Logs):
    logs.say("a", range(5))
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    asyncio.run(following(logs, 3))
    after = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    assert after <= before


def test_a_long_backlog_lets_others_on_the_loop_have_their_turn(logs: Logs):
    logs.say("a", range(20_000))
    turns = 0

    async def consume() -> None:
        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        async for _ in read(logs.find, 20_000, False):
            pass
        counting.cancel()

    asyncio.run(consume())
    assert turns > 10
