"""How long the local target's changes take, beside what PM2's own reload takes for the same app."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.project import CHATOPS, Project, project
from benchmarks.table import report, timed
from chatops.targets.local.client.node import find, pm2_folder

RUNS = 7


def main() -> None:
    """Prints the table."""
    rows: list[list[str]] = []
    warm: list[str] = []
    with project() as made, pm2(made) as reload:
        measured = {
            "deploy, one file changed, gate included": (3.0, lambda: (made.change(), made.run("deploy"))),
            "deploy, nothing to do": (1.0, lambda: made.run("deploy")),
            "rollback to the warm release": (1.0, lambda: made.run("rollback", "local", warm[-1])),
            "`pm2 reload` of the same app (no gate)": (None, reload),
        }
        seconds: dict[str, list[float]] = {name: [] for name in measured}
        for _ in range(RUNS):
            for name, (_, work) in measured.items():
                warm.append(before(made))
                seconds[name].append(timed(work))
    for name, (limit, _) in measured.items():
        values = seconds[name]
        goal = f"<= {limit:.0f} s" if limit else "-"
        rows.append([name, goal, *(f"{value:.2f}" for value in (min(values), statistics.median(values), max(values)))])
    demo = demo_seconds()
    rows.append(["`chatops demo`, second run, no terminal (deploy, bots, snapshot, remove)", "<= 10 s", *[f"{demo:.2f}"] * 3])
    rounds = f"{RUNS} rounds, one of each a round; which release is warm is looked up before."
    notes = [f"{rounds} The gate proves every new worker; `pm2 reload` proves nothing."]
    report("local", "Changes on this machine, in seconds", ["what", "goal", "min", "median", "max"], rows, notes)


def before(made: Project) -> str:
    """The warm release; empty where there is none."""
    import json

    kept = json.loads(made.run("releases", "--json"))["releases"]
    return next((str(one["id"]) for one in kept if one["state"] == "warm"), "")


@contextmanager
def pm2(made: Project) -> Iterator[object]:
    """The same app under a PM2 of its own, in cluster mode; gives what reloads it."""
    node = find()
    with tempfile.TemporaryDirectory(prefix="pm2-bench-") as home:
        env = {**os.environ, "PM2_HOME": home, "DATA_DIR": home, "PORT": f"{home}/app.sock"}
        command = [str(node.program), str(pm2_folder(node) / "node_modules/pm2/bin/pm2")]
        app = made.folder / "app/server.js"
        npm = [*node.npm, "ci", "--omit=dev", "--ignore-scripts"]
        subprocess.run(npm, cwd=made.folder / "app", check=True, capture_output=True)

        def run(*words: str) -> None:
            subprocess.run([*command, *words], env=env, check=True, capture_output=True, cwd=app.parent)

        run("start", str(app), "-i", "2", "--name", "chat")
        try:
            yield lambda: run("reload", "chat")
        finally:
            run("kill")


def demo_seconds() -> float:
    """Seconds of a second `chatops demo` without a terminal."""
    with tempfile.TemporaryDirectory(prefix="demo-bench-") as folder:
        runs = [
            timed(lambda: subprocess.run([*CHATOPS, "demo"], cwd=Path(folder), capture_output=True, check=True)) for _ in "12"
        ]
    return runs[-1]


if __name__ == "__main__":
    main()
