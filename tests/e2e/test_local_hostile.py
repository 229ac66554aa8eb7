"""What clumsy users and odd apps do on this machine: every start command a Procfile may hold, odd surroundings, odd moments."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.place import Place, place
from tests.servers import free_port

COMMANDS = {
    "assignment": "GREETING=first FOO='a b' node server.cjs",
    "compound": "cd . && node server.cjs",
    "extensionless": "node server",
    "folder": "node .",
    "script": "sh ./start.sh",
    "npm": "npm start",
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_every_usual_way_to_start_an_app(tiny: Place, kind: str) -> None:
    assert tiny.app
    (tiny.app / "Procfile").write_text(f"web: {COMMANDS[kind]}\n")
    package = {"name": "tiny", "main": "server.cjs", "scripts": {"start": "node server.cjs"}}
    (tiny.app / "package.json").write_text(json.dumps(package))
    (tiny.app / "server.js").write_text("require('./server.cjs')\n")
    (tiny.app / "start.sh").write_text("node server.cjs\n")
    tiny.chatops("deploy")
    assert tiny.page() == "first"
    tiny.write("second")
    finished = tiny.events("deploy")[-1]
    assert finished["impact"]["failed"] == 0
    assert tiny.page() == "second"
    tiny.chatops("remove", "--yes", "--purge")
    assert serving(tiny) == []


@pytest.mark.parametrize("command", ["sh -c 'sleep 0 && node server.cjs'", "npm start", "node cluster.cjs"])
def test_what_a_worker_starts_counts_as_its_own(tiny: Place, command: str) -> None:
    """Each holds 150 MB in a process that is not the launcher's; one that has ended has worked for half a second."""
    assert tiny.app
    (tiny.app / "Procfile").write_text(f"web: {command}\n")
    (tiny.app / "package.json").write_text(json.dumps({"name": "tiny", "scripts": {"start": "node server.cjs"}}))
    (tiny.app / "cluster.cjs").write_text("require('node:child_process').spawn('node', ['server.cjs'], {stdio: 'inherit'})\n")
    path = tiny.app / "server.cjs"
    busy = "globalThis.held = Buffer.alloc(150e6, 1)\n"
    busy += "require('child_process').execFileSync('node', ['-e', 'while (process.cpuUsage().user < 5e5);'])\n"
    path.write_text(busy + path.read_text())
    tiny.configure(workers=1)
    tiny.chatops("deploy")
    (worker,) = tiny.json("status")["workers"]
    assert worker["memory_bytes"] > 180e6
    assert worker["cpu_percent"] * worker["uptime_seconds"] / 100 > 0.5


def serving(tiny: Place) -> list[tuple[int, int, list[str]]]:
    """Processes that have a release's tree as their working folder, also those with plain names."""
    root = str(tiny.folder.resolve())
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(f"{root}/.chatops"):
                found.append((process.pid, process.ppid(), process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_an_app_that_listens_only_as_the_main_module(tiny: Place) -> None:
    assert tiny.app
    path = tiny.app / "server.cjs"
    path.write_text(path.read_text().replace("if (answer !== 'silent')", "if (require.main === module)"))
    tiny.chatops("deploy")
    assert tiny.page() == "first"


def test_node_options_reach_the_app(tiny: Place) -> None:
    assert tiny.app
    path = tiny.app / "server.cjs"
    path.write_text(path.read_text().replace("fs.readFileSync('text')", "process.title"))
    tiny.configure(NODE_OPTIONS="--title=titled")
    tiny.chatops("deploy")
    assert tiny.page() == "titled"


def test_a_killed_launcher_leaves_no_child_behind(tiny: Place) -> None:
    assert tiny.app
    (tiny.app / "Procfile").write_text("web: A=1 node server.cjs\n")
    tiny.chatops("deploy")
    worker = psutil.Process(tiny.json("status")["workers"][0]["pid"])
    worker.kill()
    worker.wait(10)
    tiny.write("second")
    tiny.chatops("deploy")
    tiny.chatops("remove", "--yes", "--purge")
    assert serving(tiny) == []


def test_without_a_home(tiny: Place) -> None:
    tiny.env |= {"CHATOPS_CACHE": str(Path.home() / ".cache" / "chatops")}
    del tiny.env["HOME"]
    tiny.chatops("deploy")
    assert tiny.page() == "first"
    assert tiny.json("status")["state"] == "healthy"


def test_status_needs_no_cache(tiny: Place) -> None:
    tiny.env["CHATOPS_CACHE"] = "/proc/nowhere"
    assert tiny.json("status")["state"] == "absent"


def shell(tiny: Place, words: str) -> subprocess.CompletedProcess[bytes]:
    """`chatops WORDS` as a shell runs it."""
    line = f'"{sys.executable}" -m chatops {words}'
    return subprocess.run(["sh", "-c", line], cwd=tiny.folder, env=tiny.env, capture_output=True, timeout=120, check=False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_with_closed_streams(tiny: Place, closed: str) -> None:
    for words in ("status --json", "deploy", "deploy --json", "remove --yes"):
        done = shell(tiny, f"{words} {closed}")
        assert done.returncode == 0, (words, done)
        if "--json" in words:
            assert all(json.loads(line)["v"] == 1 for line in done.stdout.splitlines())


def test_words_that_standard_output_can_not_hold(tiny: Place) -> None:
    tiny.env["PYTHONIOENCODING"] = "ascii"
    tiny.chatops("doctor")
    tiny.chatops("status")


def test_run_ends_with_its_signal(tiny: Place) -> None:
    tiny.chatops("deploy")
    tiny.chatops("run", "local", "--", "sh", "-c", "kill -TERM $$", code=143)
    text = "trap 'echo told; exit 7' TERM; echo $$; while :; do sleep 0.1; done"
    with tiny.start("run", "local", "--", "sh", "-c", text) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "told\n"
        process.wait(20)
        assert not psutil.pid_exists(pid)


def test_another_node_takes_over(tiny: Place) -> None:
    """The first Node is gone, as after an environment was made anew; PM2's daemon still runs on it."""
    node = Path(tiny.env["CHATOPS_NODE"])
    old, new = tiny.folder / "one" / "bin" / "node", tiny.folder / "two" / "bin" / "node"
    for path in (old, new):
        path.parent.mkdir(parents=True)
        shutil.copy2(node.resolve(), path)
    tiny.env["CHATOPS_NODE"] = str(old)
    tiny.chatops("deploy")
    old.unlink()
    tiny.env["CHATOPS_NODE"] = str(new)
    assert tiny.page() == "first"
    tiny.write("second")
    tiny.chatops("deploy")
    assert tiny.page() == "second"


def test_the_port_changes_in_the_file(tiny: Place) -> None:
    tiny.chatops("deploy")
    old, tiny.port = tiny.port, free_port()
    tiny.configure()
    tiny.chatops("deploy")
    assert tiny.page() == "first"
    tiny.port = old
    with pytest.raises(OSError, match="refused"):
        tiny.page()


def test_a_way_back_after_a_way_back(tiny: Place) -> None:
    ids = []
    for text in ("A", "B", "C"):
        tiny.write(text)
        ids.append(tiny.events("deploy")[-1]["release"])
    assert tiny.events("rollback")[-1]["release"] == ids[1]
    assert tiny.events("rollback")[-1]["release"] == ids[0]
    assert tiny.page() == "A"
    assert "no good release" in tiny.chatops("rollback", code=2).stderr
    assert tiny.events("deploy")[-1]["release"] == ids[2]
    assert tiny.page() == "C"


def test_more_workers_that_do_not_come_up_are_taken_away_again(tiny: Place) -> None:
    assert tiny.app
    path = tiny.app / "server.cjs"
    guard = "if (/-[2-9]$/.test(process.env.WORKER)) { console.error('too many'); process.exit(3) }\n"
    path.write_text(guard + path.read_text())
    tiny.chatops("deploy")
    assert "too many" in tiny.chatops("scale", "4", "--verbose", code=5).stderr
    status = tiny.json("status")
    assert (status["state"], len(status["workers"])) == ("healthy", 2)


def test_more_workers_get_no_user_before_they_have_proved_themselves(tiny: Place) -> None:
    assert tiny.app
    path = tiny.app / "server.cjs"
    guard = "if (/-[2-9]$/.test(process.env.WORKER)) process.env.ANSWER = 'every'\n"
    bad = "if (answer === 'every') response.writeHead(500)\n  if (request.url === '/health')"
    path.write_text(guard + path.read_text().replace("if (request.url === '/health')", bad, 1))
    tiny.chatops("deploy")
    with tiny.watched() as failures:
        last = tiny.events("scale", "4", code=5)[-1]
    assert failures == []
    assert (last["impact"]["failed"], last["impact"]["requests"] > 0) == (0, True)
    status = tiny.json("status")
    assert (status["state"], len(status["workers"])) == ("healthy", 2)
    assert json.loads((tiny.root / "run/live/set.json").read_text())["proved"] == 2


def test_two_first_deploys_at_once_share_the_cache(tiny: Place, folder: Path) -> None:
    (folder / "other").mkdir()
    with place(folder / "other") as other:
        for one in (tiny, other):
            one.env |= {"CHATOPS_CACHE": str(folder / "cache")}
        running = [one.start("deploy") for one in (tiny, other)]
        ended = [(process.communicate(timeout=180), process.returncode) for process in running]
        assert [code for _, code in ended] == [0, 0], ended
        assert not list((folder / "cache").glob("*.new"))


def test_what_a_power_cut_left_of_an_installation_is_taken_away(tiny: Place, folder: Path) -> None:
    """A young one may be another project's, which goes on."""
    tiny.env |= {"CHATOPS_CACHE": str(folder / "cache")}
    assert tiny.app
    package = {"name": "tiny", "version": "1.0.0", "dependencies": {"own": "file:own"}}
    packages = {"": package, "node_modules/own": {"resolved": "own", "link": True}, "own": {"version": "1.0.0"}}
    lock = {**package, "lockfileVersion": 3, "packages": packages}
    (tiny.app / "package.json").write_text(json.dumps(package))
    (tiny.app / "package-lock.json").write_text(json.dumps(lock))
    for name, age in (("old.1.new", 7200), ("young.2.new", 60)):
        (left := folder / "cache" / "modules" / name).mkdir(parents=True)
        (left / "file").touch()
        os.utime(left, (time.time() - age,) * 2)
    assert "a dependency lies in the project itself" in tiny.chatops("deploy", code=4).stderr
    assert [path.name for path in (folder / "cache" / "modules").glob("*.new")] == ["young.2.new"]


def test_a_reader_that_goes_away_and_a_target_removed_while_it_deploys(tiny: Place) -> None:
    tiny.chatops("deploy")
    done = shell(tiny, "logs | head -n 1")
    assert b"up" in done.stdout
    assert done.stderr == b""
    tiny.configure(ANSWER="silent")
    with tiny.start("deploy", "--json") as slow:
        assert slow.stdout
        for line in slow.stdout:
            if json.loads(line).get("step") == "gate":
                break
        tiny.chatops("remove", "--yes", code=6)
        for _ in range(3):
            assert tiny.json("status")["state"] == "healthy"
        slow.send_signal(signal.SIGINT)
        slow.send_signal(signal.SIGINT)
        slow.stdout.read()
        slow.wait(60)
    tiny.configure()
    tiny.chatops("deploy", "--wait-lock", "60")
    assert tiny.page() == "first"
    assert tiny.json("status")["state"] == "healthy"


@pytest.mark.parametrize("words", ["deploy --json", "deploy 2>&1"])
def test_a_reader_that_goes_away_does_not_end_a_deploy(tiny: Place, words: str) -> None:
    tiny.chatops("deploy")
    tiny.write("second")
    done = shell(tiny, f"{words} | head -n 1")
    assert done.stdout.count(b"\n") == 1
    assert tiny.page() == "second"
    assert not tiny.events("deploy")[-1]["changed"]
    history = [json.loads(line) for line in (tiny.root / "state/history.ndjson").read_text().splitlines()]
    assert [entry.get("ok") for entry in history if entry["what"] == "deploy"][1]
