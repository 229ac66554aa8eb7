"""chatops beside the real Heroku CLI, both on the emulated platform: looking, deploying, following a flood of lines."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from statistics import median

import psutil

from benchmarks.table import interleaved, milliseconds, report, timed
from tests.heroku.cli import VERSION, HerokuCli
from tests.heroku.emulator import QUICK, Emulator, client_environment, running_emulator
from tests.heroku.emulator.model import App
from tests.heroku.stage import write_app

RUNS = 15
DEPLOYS = 5
RATE, SECONDS = 20_000, 10
CHATOPS = [str(Path(sys.executable).with_name("chatops"))]
LIBRARIES = "import chatops.cli, asyncio, typer, httpx, httpcore, anyio._backends._asyncio"
FILE = "version: 1\napp: {name: chat, path: app}\ntargets:\n  heroku: {app: my-chat}\n"
COLUMNS = ("what", "goal", "min", "median", "max")


def main() -> None:
    """Prints the table and writes the results."""
    with tempfile.TemporaryDirectory() as name, running_emulator(limits=QUICK) as heroku:
        folder = Path(name)
        (folder / "chatops.yaml").write_text(FILE)
        write_app(folder / "app")
        os.chdir(folder)
        root = str(Path(__file__).parent.parent)
        os.environ.update({**client_environment(heroku), "PYTHONPATH": root})
        subprocess.run([*CHATOPS, "deploy", "--yes", "-q"], check=True)
        rows = [*looks(heroku, folder), *deploys(heroku, folder), *flood(heroku)]
    notes = [
        f"{RUNS} runs of each look, taken in turns; the CLI is the real one ({VERSION} from npm), the platform emulated.",
        "Beside build and boot: the whole command less the time from the build's begin to the new dyno being up.",
        "The libraries alone: the least that a call costs which asks the API, before a line of ours runs.",
    ]
    report("heroku", "Heroku: chatops beside the Heroku CLI", COLUMNS, rows, notes)


def looks(heroku: Emulator, folder: Path) -> list[list[str]]:
    """`status` beside `ps`, the last 100 lines beside each other."""
    heroku.app("my-chat").log.write("app", "web.1", *(f'{{"level":30,"msg":"line {number}"}}' for number in range(200)))
    (home := folder / "home").mkdir()
    cli = HerokuCli(heroku, home)
    os.environ.update(cli.env)
    peer = [str(cli.program)]
    alone = interleaved({"the libraries alone, ms": [sys.executable, "-c", LIBRARIES]}, RUNS)
    rows = [[name, "-", *milliseconds(values)] for name, values in alone.items()]
    for ours, theirs in ((["status"], ["ps"]), (["logs", "-n", "100"], ["logs", "-n", "100"])):
        names = f"`chatops {' '.join(ours)}`, ms", f"`heroku {' '.join(theirs)}`, ms"
        seconds = interleaved({names[0]: [*CHATOPS, *ours], names[1]: [*peer, *theirs, "-a", "my-chat"]}, RUNS)
        share = median(seconds[names[0]]) / median(seconds[names[1]])
        rows += [[name, "-", *milliseconds(values)] for name, values in seconds.items()]
        rows.append([f"ratio of the medians, {ours[0]}", "<= 0.25", "-", f"{share:.2f}", "-"])
    return rows


def deploys(heroku: Emulator, folder: Path) -> list[list[str]]:
    """What a deploy takes beside the build and the boot, and how many calls one with nothing to do makes."""
    app, overheads = heroku.app("my-chat"), []
    for number in range(DEPLOYS):
        write_app(folder / "app", f"text {number}")
        whole = timed(lambda: subprocess.run([*CHATOPS, "deploy", "--yes", "-q"], check=True))
        platform = moment(app, "State changed from starting to up") - moment(app, "Build started")
        overheads.append(whole - platform)
    before = len(heroku.requests)
    idle = [timed(lambda: subprocess.run([*CHATOPS, "deploy", "--yes", "-q"], check=True)) for _ in range(DEPLOYS)]
    calls = (len(heroku.requests) - before) / DEPLOYS
    return [
        ["deploy beside build and boot, ms", "<= 1500", *milliseconds(overheads)],
        ["deploy with nothing to do, ms", "-", *milliseconds(idle)],
        ["deploy with nothing to do, API calls", "<= 8", "-", f"{calls:.0f}", "-"],
    ]


def moment(app: App, message: str) -> float:
    """When the platform last said this in the app's log, in epoch seconds: its other times are whole seconds."""
    return max(datetime.fromisoformat(line.time).timestamp() for line in app.log.lines if message in line.message)


def flood(heroku: Emulator) -> list[list[str]]:
    """`logs --tail` under a flood: what arrives, and how large the process grows."""
    process = subprocess.Popen([*CHATOPS, "logs", "--tail", "-n", "1", "--grep", "flood"], stdout=subprocess.PIPE)
    assert process.stdout
    app = heroku.app("my-chat")
    while not app.log.tails:
        time.sleep(0.05)
    counted = threading.Thread(target=lambda: seen.append(sum(1 for _ in _until_last(process))))
    seen: list[int] = []
    counted.start()
    took, largest = timed(lambda: pour(heroku)), 0
    watched = psutil.Process(process.pid)
    while counted.is_alive():
        largest = max(largest, watched.memory_info().rss)
        counted.join(0.1)
    largest = max(largest, watched.memory_info().rss)
    process.terminate()
    process.wait(10)
    return [
        [f"lines poured in {took:.1f} s", "20000 a second", "-", str(RATE * SECONDS), "-"],
        ["lines of them that `chatops logs --tail` showed", "all", "-", str(seen[0]), "-"],
        ["memory of `chatops logs --tail` after it, MB", "<= 100", "-", f"{largest / 1e6:.0f}", "-"],
    ]


def _until_last(process: subprocess.Popen[bytes]) -> object:
    assert process.stdout
    for line in process.stdout:
        yield line
        if b"flood last" in line:
            return


def pour(heroku: Emulator) -> None:
    """The same number of lines every hundredth of a second, written in the emulator's own thread."""
    loop, app, each = heroku._loop, heroku.app("my-chat"), RATE // 100
    begun = time.monotonic()
    for turn in range(SECONDS * 100):
        last = turn == SECONDS * 100 - 1
        lines = [f"flood {turn} {number}" for number in range(each - last)] + ["flood last"] * last
        loop.call_soon_threadsafe(app.log.write, "app", "web.1", *lines)
        time.sleep(max(0.0, begun + (turn + 1) / 100 - time.monotonic()))


if __name__ == "__main__":
    main()
