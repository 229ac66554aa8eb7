"""Twenty deploys in a row under load: how many requests failed, how many messages were lost or doubled."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable

from benchmarks.project import ROOT, project
from benchmarks.table import report, timed
from chatops.targets.local.client.node import find

LOOPS, CLIENTS, ROOM_SIZE = 200, 100, 5


def main(deploys: int = 20) -> None:
    """Prints the table."""
    with project() as made:
        title = f"{deploys} deploys under load (local target)"
        under_load("load", title, made.url, lambda: (made.change(), made.run("deploy")), deploys)


def under_load(name: str, title: str, url: str, deploy: Callable[[], object], deploys: int) -> None:
    """Deploys while users are there, and prints the table of what they felt."""
    with users(url) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        seconds = [timed(deploy) for _ in range(deploys)]
        felt = json.loads(process.communicate("")[0])
    rows = [
        [what, str(felt[count]), str(felt[bad])]
        for what, count, bad in (("requests, failed", "requests", "failed"), ("messages, lost", "messages", "lost"))
    ]
    rows.append(["messages, doubled", str(felt["messages"]), str(felt["doubled"])])
    notes = [
        f"{LOOPS} keep-alive HTTP loops with 10 ms think time, {CLIENTS} chat clients with 2 messages a second.",
        f"A deploy took {statistics.median(seconds):.1f} s (median). Longest request: {felt['longest_ms']:.0f} ms.",
        f"Connections that broke without a drain: {felt['reconnects']}. Errors: {felt['errors'] or 'none'}.",
    ]
    report(name, title, ["what", "in all", "bad"], rows, notes)


def users(url: str) -> subprocess.Popen[str]:
    """The load, as one Node program; it ends when its standard input does."""
    command = [str(find().program), str(ROOT / "benchmarks/load.cjs"), url, str(LOOPS), str(CLIENTS), str(ROOM_SIZE)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
