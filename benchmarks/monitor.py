"""`chatops monitor` on a pseudo terminal of 120x40: memory over a million lines, CPU, bytes painted, key to paint.

Run: `python -m benchmarks.monitor [LINES]` (1,000,000). Prints a table, writes results/monitor.json. Lines reach the screen
as they do in life: another process appends them to a worker's log file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.logs import CHATOPS, append, lines_of, place
from benchmarks.table import report

COUNT = re.compile(rb"(?:of )?([\d,]+) lines")
SECONDS = 10.0
KEYS = 20
COLUMNS = ("case", "lines", "lines/s", "CPU %", "KiB/s", "key p50", "key max", "RSS at 10 %", "RSS max")
NOTES = (
    "CPU in percent of one core; KiB/s are painted into a terminal of 120x40; keys in ms, from key to paint; RSS in MiB.",
    "Goals: at most 120 MiB, and flat, over 1,000,000 lines.",
)


@dataclass(frozen=True)
class Result:
    """What one case took. CPU in percent of one core, key to paint in milliseconds, RSS in MiB."""

    case: str
    lines: int
    lines_per_second: float
    cpu_percent: float
    kib_per_second: float
    key_p50_ms: float
    key_max_ms: float
    early_mib: float
    highest_mib: float

    @property
    def row(self) -> list[str]:
        """One row of the table."""
        rates = [f"{self.lines:,}", f"{self.lines_per_second:,.0f}", f"{self.cpu_percent:.1f}", f"{self.kib_per_second:.1f}"]
        keys = [f"{self.key_p50_ms:.1f}", f"{self.key_max_ms:.1f}"]
        return [self.case, *rates, *keys, f"{self.early_mib:.1f}", f"{self.highest_mib:.1f}"]


class Screen:
    """The monitor in a terminal; all it paints is read, and counted."""

    def __init__(self, folder: Path, size: tuple[int, int] = (120, 40)) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [*CHATOPS, "monitor"], cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.painted = 0
        self.lines = 0
        self._recent = b""
        self.wait_for(b"STATE")
        self.first_paint = time.perf_counter() - begun
        self.wait_for(b"following")

    def read(self, seconds: float) -> bytes:
        """What is painted within `seconds`, at most one piece."""
        if not select.select([self.master], [], [], seconds)[0]:
            return b""
        data = os.read(self.master, 1 << 16)
        self.painted += len(data)
        self._recent = self._recent[-200:] + data
        if found := COUNT.findall(self._recent):
            self.lines = max(self.lines, int(found[-1].replace(b",", b"")))
        return data

    def wait_for(self, words: bytes) -> None:
        """Reads until `words` are painted."""
        seen, end = b"", time.perf_counter() + 60
        while words not in seen:
            assert time.perf_counter() < end, seen[-500:]
            seen = seen[-100:] + self.read(0.5)

    def key(self) -> float:
        """Milliseconds from pressing `f` until the line under the log says so."""
        begun = time.perf_counter()
        os.write(self.master, b"f")
        self.wait_for(b"pinned")
        took = time.perf_counter() - begun
        os.write(self.master, b"f")
        self.wait_for(b"following")
        return took * 1000

    def close(self) -> None:
        """Quits."""
        os.write(self.master, b"q")
        with contextlib.suppress(OSError):  # EIO: the other end is gone
            while self.process.poll() is None:
                self.read(0.1)
        self.process.wait()
        os.close(self.master)


@contextlib.contextmanager
def screen() -> Iterator[tuple[Screen, Path]]:
    """A monitor, and the log file it reads."""
    with place() as (folder, logs):
        log = logs / "chat-r1-1.out.log"
        log.write_text("".join(lines_of(1, "1")))
        shown = Screen(folder)
        try:
            yield shown, log
        finally:
            shown.close()


def steady(rate: int, seconds: float = SECONDS) -> Result:
    """`rate` lines a second for some seconds, a key now and then."""
    with screen() as (shown, log), log.open("a") as file:
        watched = Watched(shown)
        feed = lines_of(int(rate * seconds) + 1, "1")
        begun, written, pressed, keys = time.perf_counter(), 0, 0, []
        while (passed := time.perf_counter() - begun) < seconds:
            while written < passed * rate:
                file.write(next(feed))
                written += 1
            file.flush()
            watched.look(written, rate * seconds)
            shown.read(0.02)
            if passed * KEYS / seconds > pressed:
                pressed += 1
                keys.append(shown.key())
        return watched.result(f"{rate:,} lines/s", shown.lines, keys)


def flood(count: int) -> Result:
    """`count` lines as fast as another process writes them."""
    with screen() as (shown, log):
        watched, keys = Watched(shown), []
        writer = append(log, count)
        end = time.perf_counter() + max(60.0, count / 2_000)
        while shown.lines < count:
            assert time.perf_counter() < end, f"{shown.lines} of {count} lines came"
            shown.read(0.1)
            watched.look(shown.lines, count)
            if len(keys) < KEYS and shown.lines > count * len(keys) / KEYS:
                keys.append(shown.key())
        writer.wait()
        return watched.result("as fast as it can", shown.lines, keys)


class Watched:
    """The process behind a screen, measured from now on."""

    def __init__(self, shown: Screen) -> None:
        self._shown = shown
        self._process = psutil.Process(shown.process.pid)
        self._begun, self._cpu, self._painted = time.perf_counter(), self._spent(), shown.painted
        self._early = self._highest = 0.0
        self._looked = 0.0

    def _spent(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def look(self, done: float, total: float) -> None:
        """Takes the memory, from a tenth of the work on."""
        if done >= total / 10 and time.perf_counter() - self._looked > 0.1:
            self._looked = time.perf_counter()
            memory = self._process.memory_info().rss / 2**20
            self._early = self._early or memory
            self._highest = max(self._highest, memory)

    def result(self, case: str, lines: int, keys: list[float]) -> Result:
        """What it took."""
        self.look(1, 1)
        seconds = time.perf_counter() - self._begun
        cpu, painted = self._spent() - self._cpu, self._shown.painted - self._painted
        return Result(
            case=case,
            lines=lines,
            lines_per_second=round(lines / seconds, 1),
            cpu_percent=round(100 * cpu / seconds, 1),
            kib_per_second=round(painted / 1024 / seconds, 1),
            key_p50_ms=round(statistics.median(keys), 1),
            key_max_ms=round(max(keys), 1),
            early_mib=round(self._early, 1),
            highest_mib=round(self._highest, 1),
        )


def first_paint(runs: int = 5) -> float:
    """Seconds from the command to its first frame, the best of some runs."""
    best = 60.0
    for _ in range(runs):
        with screen() as (shown, _):
            best = min(best, shown.first_paint)
    return best


def main() -> None:
    """All cases."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    paint = first_paint()
    results = []
    for measure in (lambda: steady(0), lambda: steady(200), lambda: steady(5000), lambda: flood(count)):
        results.append(measure())
        print(*results[-1].row, sep="  ", file=sys.stderr, flush=True)
    write(results, paint)


def write(results: list[Result], paint: float) -> None:
    """Prints the table and writes it; `paint` in seconds."""
    first = f"The first frame came {paint * 1000:.0f} ms after the command, the best of some runs."
    report("monitor", "The monitor: what it costs", COLUMNS, [result.row for result in results], [*NOTES, first])


if __name__ == "__main__":
    main()
