"""The commands as a person types them, against the emulator: a run, a stop in the middle, a doctor's look."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.project import WATCHFUL
from tests.heroku.emulator import QUICK, Emulator, FailBuild, client_environment, running_emulator
from tests.heroku.stage import CANARY, write_app

FILE = """\
version: 1
app:
  name: chat
  path: app
  secrets: {API_TOKEN: {env: API_TOKEN}, SESSION_SECRET: {generate: 32}}
targets:
  heroku: {app: my-chat}
"""


SLOW = '{"name": "small", "version": "1.0.0", "scripts": {"build": "echo slowly; sleep 5"}}'


@dataclass(frozen=True)
class Shell:
    """A folder with a file, and an environment that reaches one emulator only."""

    folder: Path
    heroku: Emulator
    environment: dict[str, str]

    def start(self, *words: str, **more: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "chatops", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **more}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def __call__(self, *words: str, given: str | None = None) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        process = self.start(*words, stdin=subprocess.PIPE if given is not None else subprocess.DEVNULL)
        out, talk = process.communicate(given, timeout=120)
        return process.returncode, out, talk


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """One deployed app for the commands that only look at it."""
    folder = tmp_path_factory.mktemp("heroku")
    (folder / "chatops.yaml").write_text(FILE)
    write_app(folder / "app")
    with running_emulator(limits=QUICK) as heroku:
        environment = {**client_environment(heroku), "API_TOKEN": CANARY, "HOME": str(folder), "PYTHONPATH": str(WATCHFUL)}
        shell = Shell(folder, heroku, environment)
        code, out, talk = shell("deploy", "--yes")
        assert code == 0, out + talk
        yield shell


def test_status_is_one_object(shell: Shell) -> None:
    code, out, _ = shell("status", "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["kind"], answer["state"], answer["workers"][0]["name"]) == ("heroku", "healthy", "web.1")


def test_plan_says_nothing_to_do_by_its_exit_code(shell: Shell) -> None:
    assert shell("plan", "--detailed-exitcode")[0] == 0


def test_run_gives_output_and_exit_code(shell: Shell) -> None:
    code, out, _ = shell("run", "--", "sh", "-c", "echo 'it is' $DYNO; exit 7")
    assert code == 7
    assert re.fullmatch(r"it is run\.\d+", out.strip())


def test_run_passes_input_on(shell: Shell) -> None:
    code, out, _ = shell("run", "--", "sh", "-c", "read line; echo got $line", given="hello there\n")
    assert code == 0
    assert "got hello there" in out


def test_run_on_a_terminal_is_raw_and_restored(shell: Shell) -> None:
    parent, child = pty.openpty()
    before = termios.tcgetattr(child)
    process = shell.start(
        "run", "--", "sh", "-c", "echo ready; read line; echo got $line", stdin=child, stdout=child, stderr=child
    )
    assert "ready" in read_until(parent, b"ready")
    assert termios.tcgetattr(child) != before
    os.write(parent, b"typed\r")
    assert "got typed" in read_until(parent, b"got typed")
    assert process.wait(60) == 0
    assert termios.tcgetattr(child) == before
    os.close(child)
    os.close(parent)


def read_until(terminal: int, words: bytes, seconds: float = 30) -> str:
    """What a terminal shows up to these words, or for so many seconds."""
    seen, end = b"", time.monotonic() + seconds
    while words not in seen and select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
        seen += os.read(terminal, 4096)
    return seen.decode(errors="replace")


def test_remove_asks_for_the_name_and_takes_no_other(shell: Shell) -> None:
    parent, child = pty.openpty()
    process = shell.start("remove", stdin=child, stdout=child, stderr=child)
    assert "Type the target's name" in read_until(parent, b"to go on:")
    os.write(parent, b"my-chat\r")
    assert "nothing was removed" in read_until(parent, b"nothing was removed")
    assert process.wait(60) == 2
    os.close(child)
    os.close(parent)
    assert shell("status", "--json")[0] == 0


def test_run_verifies_the_dynos_certificate(shell: Shell) -> None:
    unsafe = Shell(
        shell.folder, shell.heroku, {name: value for name, value in shell.environment.items() if name != "SSL_CERT_FILE"}
    )
    code, _, talk = unsafe("run", "--", "true")
    assert code == 3
    assert "certificate" in talk


def test_doctor_sees_the_token_the_app_and_the_gap(shell: Shell) -> None:
    code, out, _ = shell("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)["findings"]}
    assert code == 0
    assert findings["token"]["status"] == "ok"
    assert findings["app"]["message"] == "`my-chat` is ours, owned by dev@example.com"
    assert findings["restart gap"]["status"] == "warning"
    assert "55 s" in findings["websockets"]["message"]


def test_doctor_without_rights(shell: Shell) -> None:
    other = Shell(shell.folder, shell.heroku, {**shell.environment, "HEROKU_API_KEY": "nobody"})
    code, out, _ = other("doctor")
    assert code == 3
    assert "✗ token" in out
    assert "heroku authorizations:create" in out


def test_debug_shows_no_secret(shell: Shell) -> None:
    broken = Shell(shell.folder, shell.heroku, {**shell.environment, "HEROKU_API_KEY": f"wrong-{CANARY}"})
    for words in (("deploy", "--debug"), ("status", "--debug"), ("logs", "--debug")):
        code, out, talk = broken(*words)
        assert code != 0
        assert CANARY not in out + talk


@pytest.mark.parametrize("more", [("--debug",), ("--json",), ("--verbose",)], ids=" ".join)
def test_a_failed_build_that_shouts_a_secret_is_not_heard(shell: Shell, more: tuple[str, ...]) -> None:
    write_app(shell.folder / "app", f"shouts {more}")
    shell.heroku.inject(FailBuild(message=f"can't log in with {CANARY}"))
    code, out, talk = shell("deploy", "--yes", *more)
    assert code == 4
    assert "can't log in with [redacted]" in out + talk
    written = "".join(file.read_text() for file in (shell.folder / ".chatops").rglob("*") if file.is_file())
    assert "can't log in with [redacted]" in written
    for secret in (CANARY, shell.heroku.token):
        assert secret not in out + talk + written


def test_debug_tells_every_call_with_its_request_id(shell: Shell) -> None:
    code, out, talk = shell("status", "--debug", "--json")
    assert (code, json.loads(out)["state"]) == (0, "healthy")
    assert re.search(r"^debug: request [0-9a-f]{32} GET /apps/my-chat: 200$", talk, re.MULTILINE)
    assert shell("status")[2] == ""


def test_ctrl_c_during_the_build_says_that_it_goes_on_and_attach_joins_it(shell: Shell) -> None:
    write_app(shell.folder / "app", "interrupted", **{"package.json": SLOW})
    app = shell.heroku.app("my-chat")
    builds = len(app.builds)
    process = shell.start("deploy", "--yes", "--verbose")
    assert process.stderr
    for line in process.stderr:
        if "Building on the" in line:
            process.send_signal(signal.SIGINT)
            break
    talk = process.stderr.read()
    assert process.wait(30) == 130
    assert "the build goes on" in talk
    assert "chatops attach" in talk
    assert app.builds[-1].status == "pending"
    code, _, talk = shell("attach", "--verbose")
    assert code == 0
    assert talk.index("Building on the") < talk.index("slowly") < talk.index("deployed to Heroku")
    assert "✓ answers as" in talk
    assert "nothing to do" in shell("deploy", "--yes")[2]
    assert len(app.builds) == builds + 1


def test_logs_end_where_asked(shell: Shell) -> None:
    code, out, _ = shell("logs", "-n", "200", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {"api", "router", "metrics"} <= {line["source"] for line in lines}


def test_the_first_words_of_a_new_user(tmp_path: Path) -> None:
    (tmp_path / "chatops.yaml").write_text(FILE)
    write_app(tmp_path / "app")
    done = subprocess.run(
        [sys.executable, "-m", "chatops", "plan"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(WATCHFUL)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "there is no Heroku token" in done.stderr
    assert "HEROKU_API_KEY" in done.stderr
