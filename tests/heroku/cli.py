"""The real Heroku CLI, installed from npm into a cache, set up to reach an emulator and nothing else."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.heroku.emulator import Emulator, client_environment, nodes

VERSION = "11.10.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chatops-tests" / f"heroku-cli-{VERSION}"
INSTALL_SECONDS = 600
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Said:
    """What a command wrote and how it ended."""

    status: int
    out: str
    err: str


class HerokuCli:
    """The CLI as a person would use it, in a home of its own."""

    def __init__(self, heroku: Emulator, home: Path) -> None:
        self.program = installed(home)
        self.home = home
        node = nodes.folder(home)
        folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        own = {
            "HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / "gitconfig"), "DISABLE_TELEMETRY": "true", "NO_COLOR": "1",
            "HEROKU_PARTICLEBOARD_URL": heroku.api_url, "HEROKU_BUILDPACK_REGISTRY_URL": heroku.api_url,
            "HEROKU_LOGS_COLOR": "0",
        }  # fmt: skip
        reach = client_environment(heroku)
        self.env = reach | folders | own | {"PATH": f"{node}:{self.program.parent}:{reach['PATH']}"}

    def __call__(self, line: str, keys: str = "") -> Said:
        """Runs one line as typed after `heroku`; asserts that the CLI never turned to the real Heroku."""
        done = subprocess.run(
            ["/bin/sh", "-c", f"heroku {line}"], env=self.env, cwd=self.home, input=keys, capture_output=True, text=True,
            timeout=SECONDS,
        )  # fmt: skip
        assert "Invalid HEROKU_HOST" not in done.stderr
        return Said(done.returncode, done.stdout, re.sub(r"\s*›\s*", " ", done.stderr))

    def tail(self, line: str) -> subprocess.Popen[str]:
        """Starts a command that does not end by itself."""
        return subprocess.Popen(
            ["heroku", *line.split()], executable=self.program, env=self.env, cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def installed(home: Path) -> Path:
    """The CLI's program; installs it into the cache (about 400 MB) where it is not there yet."""
    program = CACHE / "node_modules" / ".bin" / "heroku"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        tools = home / "installer"
        tools.mkdir()
        npm = nodes.folder(tools) / "npm"
        words = ["install", "--prefix", CACHE, "--ignore-scripts", "--no-audit", "--no-fund", f"heroku@{VERSION}"]
        subprocess.run([npm, *words], check=True, timeout=INSTALL_SECONDS, stdout=subprocess.DEVNULL)
    return program
