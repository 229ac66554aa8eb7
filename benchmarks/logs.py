"""`chatops logs` beside `tail` and `pm2 logs`: lines a second, CPU and memory. Prints a table, writes results/logs.json.

Run: `python -m benchmarks.logs [LINES]` (1,000,000). PM2 is measured where the local target has installed it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.table import report

CHATOPS = [sys.executable, "-m", "chatops"]
CONFIG = "version: 1\napp: {name: chat}\ntargets: {local: {workers: 2, port: 3999}}\n"
# A program under PM2 that writes when it is told to, by a file, and as fast as it can.
WRITER = """
const fs = require('node:fs')
const [, , count, go] = process.argv
const base = { level: 'info', service: 'chat', env: 'production', release: 'r1', worker: '1', msg: 'message stored' }
const line = (n) => JSON.stringify({ ...base, time: new Date().toISOString(), conn: `c-${n % 977}`, n })
console.log('ready')
const timer = setInterval(() => {
  if (!fs.existsSync(go)) return
  clearInterval(timer)
  let n = 0
  const some = () => {
    while (n < count) if (!process.stdout.write(line(n++) + '\\n')) return process.stdout.once('drain', some)
  }
  some()
}, 50)
"""


@dataclass(frozen=True)
class Result:
    """What one run took. RSS in MiB, at a tenth of the lines and at its highest after that."""

    case: str
    program: str
    lines: int
    seconds: float
    cpu_seconds: float
    early_mib: float
    highest_mib: float

    @property
    def row(self) -> tuple[str, ...]:
        """One line of the table."""
        rates = (f"{self.lines / self.seconds:,.0f}", f"{self.lines / max(self.cpu_seconds, 0.01):,.0f}")
        return (self.case, self.program, *rates, f"{self.early_mib:.1f}", f"{self.highest_mib:.1f}")


COLUMNS = ("case", "program", "lines/s", "lines/CPU-s", "MiB at 10 %", "MiB at most")


def lines_of(count: int, worker: str) -> Iterator[str]:
    """JSON lines as the sample chat writes them, 180 bytes each, ending now."""
    begun = time.time() - count / 1000
    for number in range(count):
        moment = begun + number / 1000
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(moment))}.{int(moment % 1 * 1000):03d}Z"
        yield (
            f'{{"level":"info","time":"{stamp}","service":"chat","env":"production","release":"r1","worker":"{worker}",'
            f'"conn":"c-{number % 977}","n":{number},"msg":"message stored in room lobby"}}\n'
        )


def measured(
    case: str, program: str, command: list[str], count: int, feed: Callable[[], object] | None = None, **more: object
) -> Result:
    """Runs `command` until it has written `count` lines. With `feed`: it follows, and is fed once it has said a first line."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more) as process:  # type: ignore[call-overload]
        try:
            begun = time.perf_counter()
            if feed is not None:
                os.read(process.stdout.fileno(), 1 << 16)
                begun = time.perf_counter()
                feed()
            early, highest, cpu = read_all(process, count)
            return Result(case, program, count, time.perf_counter() - begun, cpu, early, highest)
        finally:
            process.kill()


def read_all(process: subprocess.Popen[bytes], count: int) -> tuple[float, float, float]:
    """Reads `count` lines; RSS in MiB at a tenth and at most after it, CPU seconds."""
    looked = psutil.Process(process.pid)
    early = highest = cpu = 0.0
    seen, look_at = 0, count // 10
    while seen < count and (data := os.read(process.stdout.fileno(), 1 << 16)):  # type: ignore[union-attr]
        seen += data.count(b"\n")
        if seen >= look_at:
            look_at += count // 50
            memory, times = looked.memory_info().rss / 2**20, looked.cpu_times()
            early, highest, cpu = early or memory, max(highest, memory), times.user + times.system
    assert seen >= count, f"{process.args} wrote {seen} of {count} lines"
    return early, highest, cpu


@contextmanager
def place() -> Iterator[tuple[Path, Path]]:
    """A folder with a chatops.yaml, and its folder of logs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "chatops.yaml").write_text(CONFIG)
        logs = folder / ".chatops" / "local" / "logs"
        logs.mkdir(parents=True)
        yield folder, logs


def backlog(count: int) -> Iterator[Result]:
    """All lines of two files (for `tail`: of one, it can't merge)."""
    with place() as (folder, logs):
        for worker in "12":
            with (logs / f"chat-r1-{worker}.out.log").open("w") as file:
                file.writelines(lines_of(count // 2, worker))
        yield measured("backlog", "tail -n", ["tail", "-n", str(count // 2), str(logs / "chat-r1-1.out.log")], count // 2)
        for program, options in (
            ("chatops logs", []),
            ("chatops logs --json", ["--json"]),
            ("chatops --grep", ["--grep", "lobby"]),
        ):
            yield measured("backlog, 2 files", program, [*CHATOPS, "logs", "-n", str(count), *options], count, cwd=folder)


def follow(count: int) -> Iterator[Result]:
    """Lines that are appended to one file as fast as the disk takes them."""
    for program in ("tail -F", "chatops logs -f"):
        with place() as (folder, logs):
            log = logs / "chat-r1-1.out.log"
            log.write_text("".join(lines_of(1, "1")))
            command = ["tail", "-n", "1", "-F", str(log)] if program == "tail -F" else [*CHATOPS, "logs", "-f", "-n", "1"]
            feeder: list[subprocess.Popen[bytes]] = []
            yield measured(
                "follow", program, command, count, lambda log=log, feeder=feeder: feeder.append(append(log, count)), cwd=folder
            )
            feeder[0].wait()


def append(log: Path, count: int) -> subprocess.Popen[bytes]:
    """Another process appends `count` lines to `log`."""
    code = (
        "import sys; from benchmarks.logs import lines_of; open(sys.argv[1], 'a').writelines(lines_of(int(sys.argv[2]), '1'))"
    )
    return subprocess.Popen([sys.executable, "-c", code, log, str(count)], cwd=Path(__file__).parents[1])


def pm2_logs(count: int) -> Iterator[Result]:
    """`pm2 logs` following one program, where PM2 is there."""
    from chatops.targets.local.client.node import cache

    found = next(cache().glob("pm2-*/node_modules/pm2/bin/pm2"), shutil.which("pm2"))
    if found is None or shutil.which("node") is None:
        print("pm2 is not there: `chatops deploy local` installs it", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "PM2_HOME": str(folder / "pm2")}
        (folder / "writer.cjs").write_text(WRITER)
        pm2 = ["node", str(found)]
        start = [*pm2, "start", str(folder / "writer.cjs"), "--name", "w", "--", str(count), str(folder / "go")]
        subprocess.run(start, env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            tailing = [*pm2, "logs", "w", "--raw", "--lines", "1"]
            yield measured("follow", "pm2 logs --raw", tailing, count, (folder / "go").touch, env=environment)
        finally:
            subprocess.run([*pm2, "kill"], env=environment, check=False, stdout=subprocess.DEVNULL)


def main() -> None:
    """All cases."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    results = [result for case in (backlog, follow, pm2_logs) for result in case(count)]
    notes = (
        "JSON lines of 180 bytes; start-up is part of the time; memory is RSS.",
        "`tail` and `pm2 logs --raw` pass bytes on: neither parses, merges by time, nor makes escapes visible.",
    )
    report("logs", f"Log lines, {count:,} of them", COLUMNS, [result.row for result in results], notes)


if __name__ == "__main__":
    main()
