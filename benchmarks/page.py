"""docs/benchmarks.md, made from benchmarks/results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
ORDER = ("start", "local", "load", "logs", "monitor", "chat_load", "heroku", "deploy", "deploy_fleet", "deploy_load")
"""The benchmarks, in the order in which they run and stand; others follow by name."""

INTRODUCTION = """\
# Benchmarks

Made by `make bench` from what was measured; each table has the command that makes it again. What stands in one table ran side
by side on one machine, so the ratios say more than the figures: those depend on the machine, and on how busy it was (`load` is
its load average over one minute; above its number of cores everything waits).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(section(value) for value in results())])


def results() -> Iterator[dict[str, Any]]:
    """What was measured, in order."""
    found = {path.stem: path for path in sorted(RESULTS.glob("*.json"))}
    for name in [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]:
        yield json.loads(found[name].read_text("utf-8"))


def section(value: dict[str, Any]) -> str:
    """One table with its heading and notes."""
    notes = [f"- {note}" for note in value["notes"]]
    table = [_row(value["columns"]), _row(["---"] * len(value["columns"])), *map(_row, value["rows"])]
    made = f"`{value['command']}`; {value['machine']}"
    return "\n".join([f"## {value['title']}", "", *table, "", *notes, *([""] if notes else []), made, ""])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def write() -> None:
    """Writes the page."""
    PAGE.write_text(page(), "utf-8")
