"""Twenty deploys in a row under load: how many requests failed, how many messages were lost or doubled."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from benchmarks.project import ROOT, Project, project
from benchmarks.table import report, timed
from chatops.targets.local.client.node import find

LOOPS, CLIENTS, ROOM_SIZE = 200, 100, 5


def main(deploys: int = 20) -> None:
    """Prints the table."""
    with project() as made, users(made) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        seconds = [timed(lambda: (made.change(), made.run("deploy"))) for _ in range(deploys)]
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
    report("load", f"{deploys} deploys under load (local target)", ["what", "in all", "bad"], rows, notes)


def users(made: Project) -> subprocess.Popen[str]:
    """The load, as one Node program; it ends when its standard input does."""
    command = [str(find().program), str(ROOT / "benchmarks/load.cjs"), made.url, str(LOOPS), str(CLIENTS), str(ROOM_SIZE)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
