"""How long a command takes to answer, beside other tools' (the first two columns of every user's patience)."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.project import CHATOPS, project
from benchmarks.table import interleaved, milliseconds, report
from chatops.targets.local.client.node import cache, find, pm2_folder

RUNS = 15
LIMITS = {"chatops --help": 100, "chatops --version": 100, "chatops, shell completion": 100, "chatops status local": 400}


def main() -> None:
    """Prints the table."""
    chatops = [str(Path(sys.executable).with_name("chatops"))]
    with project() as made:
        file = str(made.folder / "chatops.yaml")
        complete = ["env", "_CHATOPS_COMPLETE=complete_bash", "COMP_WORDS=chatops de", "COMP_CWORD=1", *chatops]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "python -c 'import typer'": [sys.executable, "-c", "import typer"],
            "chatops --help": [*chatops, "--help"],
            "chatops --version": [*chatops, "--version"],
            "chatops, shell completion": complete,
            "chatops status local": [*CHATOPS, "-c", file, "status", "local"],
            **peers(),
        }
        seconds = interleaved(commands, RUNS)
    rows = []
    for name, values in seconds.items():
        limit = LIMITS.get(name)
        rows.append([name, f"<= {limit}" if limit else "-", *milliseconds(values)])
    slowest = statistics.median(seconds["chatops --help"])
    notes = [
        f"{RUNS} rounds, interleaved. `chatops --help` takes {slowest / statistics.median(values):.2f} of {name}'s time."
        for name, values in seconds.items()
        if name in peers()
    ]
    report("start", "Start-up, in milliseconds", ["command", "goal (median)", "min", "median", "max"], rows, notes)


def peers() -> dict[str, list[str]]:
    """What others have for a first look; installed into our cache where that is possible."""
    folder, node = cache() / "peers", find()
    found = {"pm2 --version": [str(node.program), str(pm2_folder(node) / "node_modules/pm2/bin/pm2"), "--version"]}
    if pyinfra := _pyinfra(folder / "pyinfra"):
        found["pyinfra --version"] = [str(pyinfra), "--version"]
    if heroku := _heroku(folder / "heroku", node.npm):
        found["heroku --version"] = [str(node.program), str(heroku), "--version"]
    return found


def _pyinfra(folder: Path) -> Path | None:
    program = folder / "bin/pyinfra"
    if not program.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin/pip", "install", "-q", "pyinfra"], check=False, capture_output=True)
    return program if program.exists() else None


def _heroku(folder: Path, npm: tuple[str, ...]) -> Path | None:
    program = folder / "node_modules/heroku/bin/run"
    if not folder.exists():
        folder.mkdir(parents=True)
        env = {**os.environ, "PATH": f"{Path(npm[0]).parent}:{os.environ['PATH']}"}
        command = [*npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "heroku"]
        if subprocess.run(command, cwd=folder, check=False, capture_output=True, env=env).returncode:
            shutil.rmtree(folder)
    return next((path for path in (program, program.with_suffix(".js")) if path.exists()), None)


if __name__ == "__main__":
    main()
