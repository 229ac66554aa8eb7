"""What goes wrong on this machine: what serves keeps serving, the error says why, and the next deploy converges."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.e2e.place import Place
from tests.needs import missing

BAD_ANSWERS = {
    "crash": "cannot read the settings",
    "silent": "never listened on its PORT",
    "500": "/health answers 500",
    "wrong": "answers release `another` instead of",
}


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_a_bad_release_never_serves(tiny: Place, answer: str) -> None:
    good = tiny.events("deploy")[-1]["release"]
    tiny.configure(ANSWER=answer)
    tiny.write("bad")
    failed = tiny.chatops("deploy", code=5)
    assert BAD_ANSWERS[answer] in failed.stderr
    assert "0 of" in failed.stderr
    assert tiny.page() == "first"
    status = tiny.json("status")
    assert (status["state"], status["release"]["id"]) == ("healthy", good)
    assert {kept["state"] for kept in status["releases"]} == {"current", "bad"}
    assert len(list((tiny.folder / ".chatops/local/run").glob("[0-9a-f]*/set.json"))) == 1


def test_a_bad_first_release_leaves_nothing_running(tiny: Place) -> None:
    tiny.configure(ANSWER="crash")
    tiny.chatops("deploy", code=5)
    assert not any("launch.cjs" in " ".join(process.cmdline()) for process in tiny.processes())
    tiny.configure()
    tiny.write("good")
    tiny.chatops("deploy")
    assert tiny.page() == "good"


def test_a_taken_port_is_named_before_anything_is_done(tiny: Place) -> None:
    with socket.create_server(("127.0.0.1", tiny.port)):
        refused = tiny.chatops("deploy", code=2)
        assert f"port {tiny.port} is taken by" in refused.stderr
        assert f"process {os.getpid()}" in refused.stderr
        assert "is taken by" in tiny.chatops("doctor", code=3).stdout
    assert tiny.processes() == []


def test_an_app_that_says_nowhere_how_it_starts(tiny: Place) -> None:
    assert tiny.app
    (tiny.app / "Procfile").unlink()
    assert "does not say how the app starts" in tiny.chatops("deploy", code=2).stderr
    shutil.rmtree(tiny.app)
    assert "does not exist" in tiny.chatops("deploy", code=2).stderr


def test_npm_out_of_reach_leaves_the_old_release(tiny: Place) -> None:
    tiny.chatops("deploy")
    assert tiny.app
    package = {"name": "tiny", "version": "1.0.0", "dependencies": {"left-pad": "1.3.0"}}
    (tiny.app / "package.json").write_text(json.dumps(package))
    lock = {
        "name": "tiny",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "packages": {
            "": package,
            "node_modules/left-pad": {"version": "1.3.0", "integrity": "sha512-" + "A" * 86 + "=="},
        },
    }
    (tiny.app / "package-lock.json").write_text(json.dumps(lock))
    (tiny.app / ".npmrc").write_text("")
    tiny.env |= {"npm_config_registry": "http://127.0.0.1:1/", "npm_config_fetch_retries": "0"}
    failed = tiny.chatops("deploy", code=4)
    assert "npm ci" in failed.stderr
    assert "ECONNREFUSED" in failed.stderr
    assert tiny.page() == "first"
    assert tiny.json("status")["state"] == "healthy"


def test_a_second_deploy_is_told_who_and_since_when(tiny: Place) -> None:
    tiny.chatops("deploy")
    tiny.configure(ANSWER="silent")
    with tiny.start("deploy", "--json") as slow:
        assert slow.stdout
        for line in slow.stdout:
            if json.loads(line).get("step") == "gate":
                break
        second = tiny.chatops("deploy", code=6)
        assert "locked by" in second.stderr
        assert "(deploy) for" in second.stderr
        assert tiny.json("status")["lock"]["what"] == "deploy"
        attached = tiny.start("attach", "local", "--json")
        slow.stdout.read()
        assert slow.wait(60) == 5
    out, _ = attached.communicate(timeout=60)
    assert '"step":"gate"' in out
    assert attached.returncode == 5
    tiny.configure(GREETING="x")
    tiny.chatops("deploy", "--wait-lock", "5")


def test_wait_lock_waits(tiny: Place) -> None:
    tiny.chatops("deploy")
    tiny.write("second")
    with tiny.start("deploy", "--json") as first:
        assert first.stdout
        first.stdout.readline()
        tiny.write("third")
        tiny.chatops("deploy", "--wait-lock", "60")
        first.stdout.read()
        assert first.wait(60) == 0
    assert tiny.page() == "third"


def test_the_daemon_killed(tiny: Place) -> None:
    tiny.chatops("deploy")
    daemon = psutil.Process(int((tiny.folder / ".chatops/local/pm2/pm2.pid").read_text()))
    daemon.kill()
    daemon.wait(10)
    assert tiny.page() == "first"
    assert "not running" in tiny.chatops("doctor").stdout
    tiny.chatops("deploy")
    assert tiny.page() == "first"
    tiny.write("second")
    tiny.chatops("deploy")
    tiny.write("third")
    tiny.chatops("deploy")
    launched = [process for process in tiny.processes() if "launch.cjs" in " ".join(process.cmdline())]
    assert len(launched) == 4
    fronts = [process for process in tiny.processes() if "front.cjs" in " ".join(process.cmdline())]
    assert len(fronts) == 1


def test_the_folder_deleted_while_running(tiny: Place) -> None:
    tiny.chatops("deploy")
    shutil.rmtree(tiny.folder / ".chatops")
    assert tiny.json("status")["state"] == "absent"
    tiny.write("second")
    tiny.chatops("deploy")
    assert tiny.page() == "second"
    assert len([process for process in tiny.processes() if "launch.cjs" in " ".join(process.cmdline())]) == 2
    assert len([process for process in tiny.processes() if "God Daemon" in " ".join(process.cmdline())]) == 1


def test_a_worker_killed_comes_back_and_users_do_not_notice(tiny: Place) -> None:
    tiny.chatops("deploy")
    worker = psutil.Process(tiny.json("status")["workers"][0]["pid"])
    worker.kill()
    worker.wait(10)
    for _ in range(20):
        assert tiny.page() == "first"


def test_disk_full(tiny: Place) -> None:
    """A tmpfs of 4 MiB holds everything of the target; a release that does not fit fails, and the old one serves."""
    root = tiny.folder / ".chatops" / "local"
    root.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", root], capture_output=True, check=False).returncode:
        missing("a tmpfs can't be mounted", "run as root")
    try:
        tiny.chatops("deploy")
        assert tiny.app
        (tiny.app / "big").write_bytes(os.urandom(3 * 1024 * 1024))
        failed = tiny.chatops("deploy", code=4)
        assert "No space left" in failed.stderr or "full" in failed.stderr
        assert tiny.page() == "first"
        (tiny.app / "big").unlink()
        tiny.write("second")
        tiny.chatops("deploy")
        assert tiny.page() == "second"
    finally:
        tiny.end()
        subprocess.run(["umount", "-l", root], check=True)


def test_hostile_log_lines(tiny: Place) -> None:
    tiny.chatops("deploy")
    files = Path(tiny.folder, ".chatops/local/logs").glob("chat-*.out.log")
    hostile = b"\x1b]0;pwned\x07\x1b[2Jred\rover \xe2\x80\xaeabc [/nope] \xff\xfe \x9b31m\n"
    with next(files).open("ab") as file:
        file.write(hostile + b"x" * 1_000_000 + b"\nlast\n")
    shown = tiny.chatops("logs", "-n", "5").stdout
    assert "[/nope]" in shown
    assert "\\x1b]0;pwned\\x07" in shown
    assert "last" in shown
    assert len(shown) < 200_000
    assert not [one for one in shown if ord(one) < 32 and one not in "\n\t"]
    assert "\u202e" not in shown
