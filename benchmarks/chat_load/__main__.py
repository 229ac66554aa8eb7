"""Measures the sample chat and its peers in one run, prints the figures with their ratios, and writes them down."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from benchmarks.chat_load import connections, fanout, rolling, stalled, workers
from benchmarks.chat_load.generator import allow_many_files, before_all_others
from benchmarks.chat_load.report import Figures, rows, write
from benchmarks.chat_load.subjects import MEMORY, SAMPLE, SUBJECTS
from tests.needs import need_node

FIXED_RATES = [25_000.0, 150_000.0, 400_000.0]
FILES = 16_000
Result = TypeVar("Result")


def main() -> None:
    load, started = os.getloadavg()[0], time.monotonic()
    allow_many_files(FILES)
    scheduling = before_all_others()
    node = subprocess.run([need_node(), "--version"], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    figures = Figures(
        fanout=[_told(f"fan-out, {name}", lambda name=name: fanout.measure(name, FIXED_RATES, MEMORY)) for name in SUBJECTS],
        on_disk=_told("fan-out, sample chat on disk", lambda: fanout.measure(SAMPLE, [])),
        connections=[_told(f"connections, {name}", lambda name=name: connections.measure(name)) for name in SUBJECTS],
        stalled=[_told(f"stalled readers, {name}", lambda name=name: stalled.measure(name)) for name in SUBJECTS],
        one_worker=_told("latency on one worker", lambda: workers.one_worker(MEMORY)),
        one_worker_on_disk=_told("latency on one worker on disk", workers.one_worker),
        disk=_told("the disk alone", workers.disk),
        two_workers=_told("latency across two workers", workers.two_workers),
        rolling=_told("rolling restart", rolling.measure),
    )
    write(rows(figures, FIXED_RATES), node, load, scheduling)
    print(f"{time.monotonic() - started:.0f} s in all", file=sys.stderr)


def _told(what: str, measure: Callable[[], Result]) -> Result:
    """Say what is measured, and how long it took."""
    started = time.monotonic()
    result = measure()
    print(f"{what}: {time.monotonic() - started:.0f} s: {result}", file=sys.stderr)
    return result


main()
