"""`chatops logs` as a real process: pipes, signals, terminals, hostile lines, and files that grow."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

COMMAND = [sys.executable, "-m", "chatops", "logs"]
OURS = re.compile(rb"\x1b\[[0-9;]*m")
HOSTILE = (
    b"\x1b]0;owned\x07 title", b"\x1b[2J\x1b[H cleared", b"\x1b]52;c;b3duZWQ=\x07 clipboard", b"\x1bPq\x1b\\ device",
    b"\x9b31m c1", b"over\rwritten", b"back\x08space", "ri\u202eght".encode(), b"\xff\xfe invalid", b"[/nope] [red]x",
    b"\x00 nul", json.dumps({"msg": "json \x1b]0;owned\x07", "k\x1b[1m": "v\u202e"}).encode(), b"x" * 1_000_000,
)  # fmt: skip


class Place:
    """A folder with a chatops.yaml and the log of one worker of its local target."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "chatops.yaml").write_text("version: 1\napp: {name: chat}\ntargets: {local: {port: 3999}}\n")
        logs = folder / ".chatops" / "local" / "logs"
        logs.mkdir(parents=True)
        self.log = logs / "chat-1.out.log"

    def say(self, *lines: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def number(self, begin: int, end: int) -> None:
        """JSON lines with numbers, a millisecond apart."""
        self.say(
            *(
                json.dumps({"time": 1_763_848_000_000 + number, "msg": f"line {number}"}).encode()
                for number in range(begin, end)
            )
        )

    @contextmanager
    def following(self, *options: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
        """`chatops logs -f` that has said its first line (where its output is a pipe)."""
        with subprocess.Popen([*COMMAND, "-f", *options], cwd=self.folder, stdout=stdout, stderr=subprocess.PIPE) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def read_until(process: subprocess.Popen[bytes], last: bytes) -> bytes:
    """Standard output up to a line that ends in `last`."""
    assert process.stdout
    read, end = b"", time.monotonic() + 30
    while not read.endswith(last + b"\n") and time.monotonic() < end:
        if select.select([process.stdout], [], [], 1)[0]:
            read += os.read(process.stdout.fileno(), 1 << 16)
    return read


def numbers(output: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb" line (\d+)", output)]


def test_a_reader_that_goes_away_is_no_error(place: Place):
    place.number(0, 20_000)
    command = f"{sys.executable} -m chatops logs -n 20000 | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=place.folder, capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b"\n"), done.stderr) == (0, 1, b"")


def test_following_ends_when_its_reader_goes_away(place: Place):
    place.number(0, 1)
    with place.following() as process:
        read_until(process, b"line 0")
        assert process.stdout
        process.stdout.close()
        assert process.wait(10) == 0
        assert process.stderr
        assert process.stderr.read() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_130_and_without_words(place: Place, number: signal.Signals):
    place.number(0, 1)
    with place.following() as process:
        read_until(process, b"line 0")
        process.send_signal(number)
        assert process.wait(10) == 130
        assert process.stderr
        assert process.stderr.read() == b""


def test_nothing_is_lost_or_doubled_through_rotation_and_truncation(place: Place):
    place.number(0, 100)
    with place.following("-n", "100") as process:
        seen = read_until(process, b"line 99")
        place.number(100, 200)
        place.log.rename(place.log.with_name("old.1"))
        place.number(200, 300)
        seen += read_until(process, b"line 299")
        place.log.write_bytes(b"")
        place.number(300, 400)
        seen += read_until(process, b"line 399")
    assert numbers(seen) == list(range(400))


def test_only_our_own_escapes_reach_a_terminal(place: Place):
    place.say(*HOSTILE)
    master, slave = pty.openpty()
    try:
        with subprocess.Popen([*COMMAND], cwd=place.folder, stdout=slave, env={**os.environ, "TERM": "xterm"}) as process:
            os.close(slave)
            shown = b""
            while select.select([master], [], [], 20)[0]:
                try:
                    shown += os.read(master, 1 << 16)
                except OSError:  # the other end is closed: that was all
                    break
            assert process.wait(10) == 0
    finally:
        os.close(master)
    lines = shown.split(b"\r\n")
    assert len(lines) == len(HOSTILE) + 1
    assert shown.count(b"\x1b[") > len(HOSTILE)  # it is coloured
    left = OURS.sub(b"", shown).replace(b"\r\n", b"").decode()
    assert not [char for char in left if char < " " or "\x7f" <= char < "\xa0" or char == "\u202e"]
    assert lines[-2].endswith(b"bytes cut]")


def test_no_colour_where_it_is_not_wanted(place: Place):
    place.number(0, 1)
    for options, extra in (([], {}), (["--no-color"], {}), ([], {"NO_COLOR": "1"})):
        done = subprocess.run(
            [*COMMAND, *options], cwd=place.folder, capture_output=True, check=True, env={**os.environ, **extra}
        )
        assert b"\x1b" not in done.stdout


def test_memory_stays_flat_over_many_lines_and_one_without_end(place: Place):
    place.number(0, 1)
    with place.following("-n", "1", "--grep", "line 0|the end", stdout=subprocess.PIPE) as process:
        read_until(process, b"line 0")
        before = psutil.Process(process.pid).memory_info().rss
        place.number(1, 60_000)
        with place.log.open("ab") as file:
            for _ in range(60):
                file.write(b"x" * 1_000_000)
            file.write(b"\n")
        place.say(b"the end")
        assert read_until(process, b"the end").endswith(b"the end\n")
        assert psutil.Process(process.pid).memory_info().rss - before < 30 * 2**20
