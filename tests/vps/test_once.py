"""One-off commands over a real sshd: plain streams, and a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vps.sshd import Sshd, sshd

pytestmark = pytest.mark.timeout(60)
TOOL = """
import asyncio, sys
from pathlib import Path
from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.link import Link
from chatops.targets.vps.client.once import run
port, identity, pin, user, line = sys.argv[1:]
async def main():
    link = await Link.open(HostAddress("127.0.0.1", None, int(port), Path(identity), (pin,)))
    code = await run(link, line, user)
    await link.close()
    return code
sys.exit(asyncio.run(main()))
"""


def argv(server: Sshd, line: str, user: str = "") -> list[str]:
    return [sys.executable, "-c", TOOL, str(server.port), str(server.identity), server.keys[0].fingerprint, user, line]


def test_streams_and_the_exit_code_are_the_commands(server: Sshd) -> None:
    done = subprocess.run(
        argv(server, "cat; echo oh >&2; exit 7"), input=b"\0in\n" * 100_000, capture_output=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (7, b"\0in\n" * 100_000)
    assert done.stderr.endswith(b"oh\n")


def test_what_the_login_shell_prints_is_left_out(tmp_path: Path) -> None:
    wrapper = tmp_path / "shell"
    wrapper.write_text('#!/bin/sh\necho hello; echo hello >&2\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    wrapper.chmod(0o755)
    with sshd(f"ForceCommand {wrapper}") as talking:
        done = subprocess.run(
            argv(talking, "echo one; echo two >&2"), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30
        )
    assert (done.returncode, done.stdout) == (0, b"one\n")
    assert done.stderr.endswith(b"two\n")
    assert b"hello" not in done.stderr


def test_it_runs_as_the_apps_user(server: Sshd) -> None:
    done = subprocess.run(
        argv(server, "id -un; kill -9 $$", "nobody"), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (255, b"nobody\n")


def test_on_a_terminal_the_command_has_one_too(server: Sshd) -> None:
    ours, theirs = pty.openpty()
    line = 'test -t 0 && test -t 1 && stty size && printf "ready> " && read -r word && echo "got $word" && exec sleep 30'
    process = subprocess.Popen(argv(server, line), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    while b"ready> " not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, b"hello\r")
    while b"got hello" not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, b"\x03")
    assert process.wait(25) in {130, 255}
    os.close(ours)
