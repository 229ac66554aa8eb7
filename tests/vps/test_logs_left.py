"""Log files of a host over a real sshd: the times of their lines, and going on after a cut exactly where each was left."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatops.events import LogLine, Notice
from chatops.resume import Backoff, resume
from chatops.targets.vps.client.logs import Places, Source, lines
from chatops.targets.vps.client.reach import Reach
from tests.rig.link import Link as Wire
from tests.vps.sshd import Sshd, linked

pytestmark = pytest.mark.timeout(60)
BEGIN = 1_700_000_000.0
DAY = 86_400.0
QUICK = Backoff(base=0.0, cap=0.0)


def nginx(moment: float, text: str) -> str:
    """A line of nginx's error.log, in this machine's zone: it is the host."""
    return f"{datetime.fromtimestamp(moment):%Y/%m/%d %H:%M:%S} [error] 7#7: {text}\n"


def iso(moment: float, text: str) -> str:
    return f"{datetime.fromtimestamp(moment).astimezone().isoformat()} {text}\n"


def written(path: Path, text: str, moment: float) -> None:
    path.write_text(text)
    os.utime(path, (moment, moment))


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def backlog(server: Sshd, folder: Path, tail: int, since: float | None = None) -> list[LogLine]:
    async def go() -> list[LogLine]:
        async with linked(server.host) as link:
            found = lines("vps", [Source(link, (f"{folder}/*.log",))], tail, False, since)
            return [line async for line in found if isinstance(line, LogLine)]

    return asyncio.run(go())


def told(server: Sshd, folder: Path, tail: int, until: str, cut: Callable[[], None]) -> list[str]:
    """Messages of lines and notices up to one that ends with `until`; the line `cut` cuts the link, and `cut` is called."""

    async def go() -> list[str]:
        found: list[str] = []
        with Wire("127.0.0.1", {0: server.port}) as wire:
            reach = Reach(server.through(wire.port))
            places: Places = {}

            async def start(position: float | None) -> AsyncGenerator[LogLine | Notice]:
                wire.resume()
                source = Source(await reach.link(), (f"{folder}/*.log",))
                again = (0, True, position) if position is not None else (tail, True, None)
                async with aclosing(lines("vps", [source], *again, (), places)) as read:
                    async for line in read:
                        yield line

            async with aclosing(resume(start, lambda line: line.time, lambda line: line.message, backoff=QUICK)) as events:
                async for event in events:
                    found.append(event.message)
                    if event.message == "cut":
                        wire.cut()
                        cut()
                    if event.message.endswith(until):
                        break
            await reach.close()
        return found

    async def cut_when_watched() -> list[str]:
        log = folder / "chat-a-0.out.log"
        asyncio.get_running_loop().call_later(1.5, add, log, "cut\n")
        return await go()

    return asyncio.run(cut_when_watched())


# ---------------------------------------------------------------- times


def test_nginx_errors_have_their_own_times(server: Sshd, folder: Path) -> None:
    errors, now = folder / "chatops-chat.error.log", datetime.now().timestamp()
    errors.write_text(nginx(now - 14 * DAY, "old") * 30 + nginx(now - 60, "young"))
    (folder / "chat-a-0.out.log").write_text(iso(now - 3600, "hour") + iso(now - 30, "last"))
    assert [line.message for line in backlog(server, folder, 0, now - 600)] == ["[error] 7#7: young", "last"]
    found = backlog(server, folder, 3)
    assert [line.message for line in found] == ["hour", "[error] 7#7: young", "last"]
    assert found[1].time == int(now - 60)


def test_a_line_without_a_time_is_as_old_as_the_one_before_or_as_its_file(server: Sshd, folder: Path) -> None:
    written(folder / "chat-a-0.err.log", "plain\n" * 5, BEGIN)
    written(folder / "chat-a-1.err.log", iso(BEGIN + 5, "Error: x") + "    at y\n", BEGIN + DAY)
    written(folder / "chat-a-2.out.log", iso(BEGIN + 9, "last"), BEGIN + DAY)
    found = backlog(server, folder, 4)
    assert [(line.message, line.time) for line in found] == [
        ("plain", BEGIN),
        ("Error: x", BEGIN + 5),
        ("    at y", BEGIN + 5),
        ("last", BEGIN + 9),
    ]
    assert [line.message for line in backlog(server, folder, 0, BEGIN + 3)] == ["Error: x", "    at y", "last"]


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FORMS = st.sampled_from(['{"time":"%s"}', '{"level":30,"ts":"%s","msg":"x"}', "%s x", "[%s] x"])


@given(st.lists(st.tuples(st.integers(-2 * 10**9, 10**9), ZONES, FORMS), min_size=20, max_size=40))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_lines_in_any_zone_are_younger_or_not(server: Sshd, tmp_path: Path, written: list[tuple[int, timezone, str]]) -> None:
    """A host leaves out what is too old by the same times as we read."""
    middle, folder = 1.4e9, tmp_path / "many"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    younger = set()
    for number, (second, zone, form) in enumerate(written):
        moment = middle + second / 10
        (folder / f"{number}.out.log").write_text(form % datetime.fromtimestamp(moment, zone).isoformat() + "\n")
        younger |= {str(number)} if moment >= middle else set()
    assert {line.worker for line in backlog(server, folder, 0, middle)} == younger


# ---------------------------------------------------------------- rotation


@pytest.mark.parametrize("emptied", [True, False], ids=["copytruncate", "create"])
def test_what_was_written_before_a_rotation_is_there(server: Sshd, folder: Path, emptied: bool) -> None:
    log, now = folder / "chat-a-0.out.log", datetime.now().timestamp()
    log.write_text("".join(iso(now - 1000 + 100 * number, str(number)) for number in range(10)))
    shutil.copy(log, f"{log}.1") if emptied else log.rename(f"{log}.1")
    log.write_text(iso(now, "new"))
    assert [line.message for line in backlog(server, folder, 0, now - 350)] == ["7", "8", "9", "new"]
    assert [line.message for line in backlog(server, folder, 3)] == ["8", "9", "new"]
    assert [line.message for line in backlog(server, folder, 1)] == ["new"]


@pytest.mark.parametrize("emptied", [True, False], ids=["copytruncate", "create"])
def test_a_rotation_while_the_link_is_cut(server: Sshd, folder: Path, emptied: bool) -> None:
    log = folder / "chat-a-0.out.log"
    log.write_text("old\n" * 50)

    def cut() -> None:
        add(log, "one\ntwo\n")
        shutil.copy(log, f"{log}.1") if emptied else log.rename(f"{log}.1")
        log.write_text("three\n")

    found = told(server, folder, 0, "three", cut)
    assert [message for message in found if "stream" not in message] == ["cut", "one", "two", "three"]
    assert found[-4].endswith("nothing missing")


def test_what_two_rotations_took_away_is_told(server: Sshd, folder: Path) -> None:
    log = folder / "chat-a-0.out.log"

    def cut() -> None:
        Path(f"{log}.1").write_text("nobody has seen this\n")
        log.write_text("after\n")

    log.write_text("before\n")
    found = told(server, folder, 0, "after", cut)
    assert found[0] == "cut"
    assert found[-2].endswith("lines in between may be missing")


# ---------------------------------------------------------------- a cut


def test_after_a_cut_no_line_is_repeated_and_none_is_missing(server: Sshd, folder: Path) -> None:
    """Also lines without times, of files that said nothing, and of files that nobody had seen."""
    log, silent = folder / "chat-a-0.out.log", folder / "chat-a-1.err.log"
    log.write_text("plain\n" * 50)
    silent.write_text("old\n" * 50)
    (folder / "chatops-chat.error.log").write_text(nginx(BEGIN, "old") * 50)

    def cut() -> None:
        add(log, "cut off\n")
        add(silent, "spoken\n")
        (folder / "chat-b-0.out.log").write_text("first\nlast\n")

    found = told(server, folder, 0, "last", cut)
    lost, back = found[1:3]
    assert lost.startswith("stream of `` lost")
    assert back.endswith("nothing missing")
    assert [found[0], *sorted(found[3:])] == ["cut", "cut off", "first", "last", "spoken"]


def test_what_was_shown_before_a_cut_is_not_shown_again(server: Sshd, folder: Path) -> None:
    log = folder / "chat-a-0.out.log"
    log.write_text("".join(f"plain {number}\n" for number in range(200)))
    found = told(server, folder, 100, "end", lambda: add(log, "end\n"))
    assert found[:101] == [*(f"plain {number}" for number in range(100, 200)), "cut"]
    assert found[102].endswith("nothing missing")
    assert found[103:] == ["end"]


def test_of_a_flood_in_a_cut_the_end_is_read(server: Sshd, folder: Path) -> None:
    log = folder / "chat-a-0.out.log"
    log.touch()
    found = told(server, folder, 0, "end", lambda: add(log, ("x" * 60_000 + "\n") * 200 + "end\n"))
    assert found[2].endswith("lines in between may be missing")
    assert 130 < len(found) < 145  # 8 MiB, the end of the file


def test_the_return_is_told_also_when_nothing_is_said(server: Sshd, folder: Path) -> None:
    (folder / "chat-a-0.out.log").touch()
    assert told(server, folder, 0, "nothing missing", lambda: None)[-1].endswith("nothing missing")
