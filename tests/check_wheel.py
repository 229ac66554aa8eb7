"""Builds the wheel, installs it into a fresh environment and runs it from there; checks the shell programs it generates."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Raises CalledProcessError where anything is amiss."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT))
        (wheel,) = folder.glob("*.whl")
        venv.create(folder / "venv", with_pip=True)
        run(str(folder / "venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check", str(wheel))
        for words in (["--version"], ["--help"], ["init"], ["check"]):
            run(str(folder / "venv/bin/chatops"), *words, cwd=folder)
        sample = "import chatops.config as c; assert (c.bundled_sample() / 'server.js').is_file(), c.bundled_sample()"
        run(str(folder / "venv/bin/python"), "-c", sample, cwd=folder)
    print("the wheel installs and runs")


def run(*command: str, cwd: Path = ROOT) -> None:
    """Runs quietly; shows what was printed when it failed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
        sys.exit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
