"""Log files of a host over a real sshd: backlog, live lines, rotation, new files, long lines, secrets, endings."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatops.errors import TargetError
from chatops.events import LogLine
from chatops.targets.vps.client.link import Link
from chatops.targets.vps.client.logs import Return, Source, lines
from chatops.targets.vps.client.reach import Reach
from tests.rig.link import Link as Wire
from tests.vps.sshd import Sshd, gone, linked

pytestmark = pytest.mark.timeout(60)
BEGIN = 1_700_000_000


def stamped(second: float, message: str) -> str:
    time = datetime.fromtimestamp(BEGIN + second, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"level": 30, "time": time, "msg": message}) + "\n"


def source(link: Link, folder: Path, secrets: tuple[str, ...] = ()) -> Source:
    return Source(link, (f"{folder}/*.log",), secrets)


def backlog(server: Sshd, folder: Path, tail: int, since: float | None = None) -> list[LogLine]:
    async def go() -> list[LogLine]:
        async with linked(server.host) as link:
            return [line async for line in lines("vps", [source(link, folder)], tail, False, since)]

    return asyncio.run(go())


def follow(
    server: Sshd, folder: Path, tail: int, count: int, when: Callable[[int], None], secrets: tuple[str, ...] = ()
) -> list[LogLine]:
    """The first `count` lines; `when` is told how many there are, at first 0 when all is watched."""

    async def go() -> list[LogLine]:
        found: list[LogLine] = []
        async with (
            linked(server.host) as link,
            aclosing(lines("vps", [source(link, folder, secrets)], tail, True, None)) as live,
        ):
            asyncio.get_running_loop().call_later(1.5, when, 0)
            while len(found) < count:
                found.append(await anext(live))
                if len(found) < count:
                    asyncio.get_running_loop().call_later(0.3, when, len(found))
        return found

    return asyncio.run(go())


def test_the_last_lines_of_all_files_together(server: Sshd, folder: Path) -> None:
    (folder / "chat-a-0.out.log").write_text("".join(stamped(second, f"even {second}") for second in range(0, 40, 2)))
    (folder / "chat-a-1.err.log").write_text("".join(stamped(second, f"odd {second}") for second in range(1, 40, 2)))
    (folder / "chatops-chat.access.log").write_text(stamped(38.5, "GET /"))
    found = backlog(server, folder, 4)
    assert [line.message for line in found] == ["odd 37", "even 38", "GET /", "odd 39"]
    assert [(line.worker, line.source, line.stream) for line in found[:3]] == [
        ("chat-a-1", "app", "err"),
        ("chat-a-0", "app", "out"),
        ("", "nginx", "out"),
    ]
    assert {line.host for line in found} == {"127.0.0.1"}
    assert len(backlog(server, folder, 1000)) == 41
    assert backlog(server, folder, 0) == []


@pytest.mark.parametrize("zone", ["Z", "-05:00", "+02:00"])
def test_lines_since_a_time_in_any_zone(server: Sshd, folder: Path, zone: str) -> None:
    hours = {"Z": 0, "-05:00": -5, "+02:00": 2}[zone]
    moments = [datetime.fromtimestamp(BEGIN + second + hours * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%S") for second in range(30)]
    texts = [json.dumps({"time": f"{moment}{zone}", "msg": str(number)}) + "\n" for number, moment in enumerate(moments)]
    (folder / "chat-a-0.out.log").write_text("".join(texts))
    found = backlog(server, folder, 0, BEGIN + 25)
    assert [line.message for line in found] == ["25", "26", "27", "28", "29"]


def test_live_lines_through_rotation_and_a_new_file(server: Sshd, folder: Path) -> None:
    first, second = folder / "chat-a-0.out.log", folder / "chat-b-0.out.log"
    first.write_text("old\n")

    def append(path: Path, text: str) -> None:
        with path.open("a") as file:
            file.write(text)

    def when(count: int) -> None:
        if count == 0:
            append(first, "one\n")
        elif count == 1:
            append(first, "two\n")
            first.rename(folder / "chat-a-0.out.log.1")
            first.write_text("three\n")
        elif count == 3:
            second.write_text("four\n")
        elif count == 4:
            first.write_text("")
            append(second, "five\n")

    found = follow(server, folder, 0, 5, when)
    assert [line.message for line in found] == ["one", "two", "three", "four", "five"]
    assert found[-1].worker == "chat-b-0"


def test_what_a_rotation_took_away_is_read_from_its_copy(server: Sshd, folder: Path) -> None:
    """logrotate's copytruncate: copy, then empty, whether or not anybody has read the end."""
    file = folder / "chat-a-0.out.log"
    file.write_text(f"{'old ' * 30}\n")

    def when(count: int) -> None:
        if count == 0:
            with file.open("a") as lines:
                lines.write("one\ntwo\n")
                lines.flush()
                shutil.copy(file, folder / "chat-a-0.out.log.1")
                lines.truncate(0)
                lines.write("three\n")
        elif count == 3:
            with file.open("a") as lines:
                lines.write("four\n")

    found = follow(server, folder, 0, 4, when)
    assert [line.message for line in found] == ["one", "two", "three", "four"]


def test_long_lines_of_many_writers_never_mix(server: Sshd, folder: Path) -> None:
    names = [f"chat-a-{number}.out.log" for number in range(4)]
    for name in names:
        (folder / name).touch()

    def when(count: int) -> None:
        if count == 0:
            for number, name in enumerate(names):
                (folder / name).write_text("".join(str(number) * 30_001 + f"-{line}\n" for line in range(20)))

    found = follow(server, folder, 0, 80, when)
    for number in range(4):
        mine = [line.message for line in found if line.worker == f"chat-a-{number}"]
        assert mine == [str(number) * 30_001 + f"-{line}" for line in range(20)]


def test_an_endless_line_is_cut(server: Sshd, folder: Path) -> None:
    (folder / "chat-a-0.out.log").write_bytes(b"x" * 200_000 + b"\n\x1b[31mred\x1b[0m \x07\n")
    found = backlog(server, folder, 10)
    assert found[0].message.endswith("x …[134464 bytes cut]")
    assert found[1].message == "red \\x07"


def test_secrets_made_there_stay_there(server: Sshd, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a.*[$ecret")
    (folder / "chat-a-0.out.log").write_text("begin a.*[$ecret end, again a.*[$ecret\n")

    async def go() -> list[str]:
        async with linked(server.host) as link:
            found = lines("vps", [source(link, folder, (str(tmp_path / "secret"),))], 10, False, None)
            return [line.message async for line in found]

    assert asyncio.run(go()) == ["begin [redacted] end, again [redacted]"]


def test_nothing_is_left_running_when_nobody_looks_any_more(server: Sshd, folder: Path, tmp_path: Path) -> None:
    (folder / "chat-a-0.out.log").write_text("x\n")

    def running() -> list[str]:
        done = subprocess.run(["pgrep", "-f", f"perl .*{folder}"], capture_output=True, text=True, check=False, timeout=10)
        return done.stdout.split()

    async def go() -> None:
        async with linked(server.host) as link:
            async with aclosing(lines("vps", [source(link, folder)], 1, True, None)) as live:
                await anext(live)
                while not running():  # noqa: ASYNC110  processes of somebody else
                    await asyncio.sleep(0.05)
            async with asyncio.timeout(5):
                while running():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        await gone(tmp_path / "never")

    asyncio.run(go())


def test_one_process_reads_all_files(server: Sshd, folder: Path) -> None:
    for number in range(120):
        (folder / f"chat-a-{number}.out.log").write_text("x\n")

    async def go() -> list[str]:
        async with (
            linked(server.host) as link,
            aclosing(lines("vps", [Source(link, (f"{folder}/*.log",))], 1, True, None)) as live,
        ):
            await anext(live)
            done = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True, check=False, timeout=10)
            session = subprocess.run(
                ["pgrep", "-P", ",".join(done.stdout.split())], capture_output=True, text=True, check=False
            )
            return [*done.stdout.split(), *session.stdout.split()]

    assert len(asyncio.run(go())) == 1


def test_a_host_that_was_out_of_reach_ends_the_stream_when_it_is_back(server: Sshd, folder: Path) -> None:
    """What its follower opens again has the lines of that host, too."""
    log = folder / "chat-a-0.out.log"
    log.write_text(stamped(1, "before"))

    async def go() -> list[str]:
        found = []
        with Wire("127.0.0.1", {0: server.port}) as wire:
            wire.cut()
            absent = Reach(server.through(wire.port))
            async with linked(server.host) as link:
                with pytest.raises(TargetError, match="can be reached again"):
                    async with aclosing(lines("vps", [source(link, folder)], 10, True, None, [Return(absent, 0.05)])) as live:
                        async for line in live:
                            found.append(line.message)
                            if line.message == "after":
                                wire.resume()
                                continue
                            with log.open("a") as file:
                                file.write(stamped(2, "after"))
            await absent.close()
        return found

    assert asyncio.run(go()) == ["before", "after"]
