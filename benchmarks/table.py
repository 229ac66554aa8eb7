"""A benchmark's figures: a table on the screen, and JSON that docs/benchmarks.md is made from."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

RESULTS = Path(__file__).with_name("results")


def report(name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Prints the table and writes `results/NAME.json`."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    print(f"\n{title}")
    for row in (columns, ["-" * width for width in widths], *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for note in notes:
        print(f"  {note}")
    value = {
        "title": title,
        "command": f"python -m benchmarks.{name}",
        "machine": machine(),
        "columns": list(columns),
        "rows": [list(row) for row in rows],
        "notes": list(notes),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def machine() -> str:
    """Where it was measured, and how busy that was."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, load {load:.1f}"
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def interleaved(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Seconds of each command, one round after the other, so that noise meets all alike; a first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            took = timed(lambda command=command: subprocess.run(command, capture_output=True, check=False))  # type: ignore[misc]
            if number:
                seconds[name].append(took)
    return seconds


def milliseconds(values: Sequence[float]) -> list[str]:
    """Minimum, median and maximum as text."""
    return [f"{value * 1000:.0f}" for value in (min(values), statistics.median(values), max(values))]
