"""One look at a host over a real sshd: this machine, with an app's tree made by hand."""

import asyncio
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops.pm2 import Layout, RunSet
from chatops.targets.vps.client import look as module
from chatops.targets.vps.client.look import facts, look
from chatops.targets.vps.client.sections import Sections
from chatops.targets.vps.facts import HostFacts, Questions, Unit
from tests.needs import need
from tests.vps.sshd import Sshd, linked, sshd

pytestmark = pytest.mark.timeout(60)


def questions(root: Path) -> Questions:
    return Questions(
        app="nobody",
        layout=Layout(PurePosixPath(root)),
        pm2=PurePosixPath(root / "pm2-modules"),
        runtimes=PurePosixPath(root / "node"),
        stamps=PurePosixPath(root / "stamps"),
        lock=PurePosixPath(root / "state" / "lock"),
        packages=("openssh-server", "no-such-package"),
        units=("no-such.service",),
        markers=(PurePosixPath(root / "marker"), PurePosixPath(root / "none")),
        certificate=PurePosixPath(root / "fullchain.pem"),
    )


def seen(server: Sshd, root: Path, **more: Any) -> HostFacts:
    async def go() -> HostFacts:
        async with linked(server.host) as link:
            return await look(link, replace(questions(root), **more))

    return asyncio.run(go())


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, separators=(",", ":")) + "\n")


def test_how_long_a_certificate_lasts(server: Sshd, tmp_path: Path) -> None:
    asked = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout key.pem -out fullchain.pem -days 9"
    )
    subprocess.run([need("openssl", "openssl"), *asked.split()], cwd=tmp_path, check=True, capture_output=True)
    left = seen(server, tmp_path).certificate_left
    assert left is not None
    assert 9 * 86400 - 60 < left <= 9 * 86400 + 5
    (tmp_path / "fullchain.pem").write_text("torn")
    assert seen(server, tmp_path).certificate_left is None


def test_an_empty_host(server: Sshd, tmp_path: Path) -> None:
    found = seen(server, tmp_path / "not" / "there")
    assert (found.arch, found.uid, found.root, found.app_user) == (platform.machine(), os.getuid(), True, True)
    assert found.os in {"debian", "ubuntu"}
    assert found.glibc == platform.libc_ver()[1]
    assert found.disk_free > 1_000_000
    assert found.inodes_free > 1000
    assert found.memory > found.memory_free > 1_000_000
    assert abs(found.skew) < 5
    assert found.cores == os.cpu_count()
    assert set(found.packages) == {"openssh-server"}
    assert found.units == {}
    assert server.port in {one.port for one in found.listening}
    assert found.there.sets == ()
    assert found.lock is None


def pm2(node: Path, record: Path) -> subprocess.Popen[bytes]:
    """PM2 on a Node of one version; another is half unpacked."""
    write(node, "")
    shutil.copy(need("sleep", "coreutils"), node)
    folder = node.parents[2]
    (folder / "24.2.0.new").mkdir()
    (folder / "current").symlink_to(node.parents[1].name)
    daemon = subprocess.Popen(["PM2 v7: God Daemon", "60"], executable=node)
    write(record, f"{daemon.pid}\n")
    return daemon


def test_everything_of_an_app(server: Sshd, tmp_path: Path) -> None:
    layout = Layout(PurePosixPath(tmp_path))
    started = f"{sys.executable} -c 'held = b\"x\" * 40_000_000; print(flush=True); input()'; :"
    worker = subprocess.Popen(["sh", "-c", started], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdout
    worker.stdout.readline()
    live = RunSet("aaa.2", "nobody", "aaa", "e1", "node server.js", ("KEY",), layout)
    warm = RunSet("bbb", "nobody", "bbb", "e2", "node server.js", (), layout)
    for run_set, workers in ((live, 2), (warm, 1)):
        write(Path(run_set.folder) / "set.json", run_set.summary(workers, workers))
        write(
            tmp_path / "state" / "releases" / f"{run_set.release}.json",
            {"id": run_set.release, "created": 5.5, "by": "ana", "git": None, "modules": "m1", **run_set.summary(0, 0)},
        )
    write(Path(live.record(0)), {"name": "x", "release": "aaa", "pid": worker.pid, "started": time.time(), "restarts": 3})
    write(
        Path(live.record(1)), {"name": "y", "release": "aaa", "pid": worker.pid, "started": time.time() - 1000, "restarts": 0}
    )
    write(tmp_path / "state" / "releases" / "bbb.bad", "")
    write(tmp_path / "state" / "releases" / "torn.json", '{"id": "torn"')
    (tmp_path / "releases" / "aaa").mkdir(parents=True)
    write(tmp_path / "shared" / "env" / "e1.json", {})
    write(tmp_path / "marker", "first\n\nsecond\n")
    write(tmp_path / "stamps" / "nginx", "digest\n")
    daemon = pm2(tmp_path / "node" / "24.1.0" / "bin" / "node", tmp_path / "pm2" / "pm2.pid")
    (tmp_path / "modules" / "m1").mkdir(parents=True)
    (tmp_path / "modules" / "m2.new").mkdir()
    for name in ("dumped", "of a set", "unused"):
        (tmp_path / "scripts" / name).mkdir(parents=True)
    write(tmp_path / "pm2" / "dump.pm2", [{"pm_exec_path": f"{tmp_path}/scripts/dumped/launch.cjs"}])
    write(Path(live.folder) / "apps.json", [{"script": f"{tmp_path}/scripts/of a set/launch.cjs"}])
    (tmp_path / "run" / "live").symlink_to("aaa.2")
    (tmp_path / "run" / "previous").symlink_to("bbb")
    try:
        found = seen(server, tmp_path)
    finally:
        worker.communicate(b"\n", timeout=10)
        daemon.kill()
        daemon.wait(10)
    there = found.there
    assert [(one.run_set, one.workers, one.alive) for one in there.sets] == [(live, 2, 1), (warm, 1, 0)]
    assert (there.live, there.previous, there.modules, there.daemon, there.pm2_installed) == (
        "aaa.2",
        "bbb",
        {"m1"},
        True,
        False,
    )
    assert there.stale == {"unused"}
    assert {kept.id: kept.state for kept in there.releases} == {"aaa": "current", "bbb": "bad", "torn": "kept"}
    assert there.recipes["aaa"].run_set == live
    assert set(there.recipes) == {"aaa"}
    assert [(one.name, one.state, one.restarts) for one in found.workers] == [
        ("nobody-aaa.2-0", "up", 3),
        ("nobody-aaa.2-1", "down", 0),
        ("nobody-bbb-0", "down", None),
    ]
    assert found.workers[0].memory_bytes is not None
    assert 40_000_000 < found.workers[0].memory_bytes < 100_000_000  # with what it has started
    assert found.workers[0].cpu_percent is not None
    assert 1 < found.workers[0].cpu_percent < 500  # Python took some time to start, at least
    assert [one.cpu_percent for one in found.workers[1:]] == [None, None]
    assert found.markers == {PurePosixPath(tmp_path / "marker"): "first\n\nsecond\n"}
    assert found.stamps == {"nginx": "digest"}
    assert (found.runtimes, found.daemon_runtime) == (("24.1.0",), "24.1.0")


@pytest.mark.parametrize(("begun", "spare"), [(-5, ()), (None, ()), (5, ()), (0.01, ("pm2-1", "pm2-3.new"))])
def test_the_pm2s_from_which_none_runs(server: Sshd, tmp_path: Path, begun: float | None, spare: tuple[str, ...]) -> None:
    """What began before `current` led where it does may run from anywhere, and so may what began by a clock that was ahead."""
    for name in ("pm2-1", "pm2-2", "pm2-3.new", "pm2-\x1b[2J"):
        (tmp_path / "tools" / name).mkdir(parents=True)
    assert seen(server, tmp_path).tools == ()
    (tmp_path / "tools" / "current").symlink_to("pm2-2")
    if begun is not None:
        write(tmp_path / "pm2" / "pm2.pid", "1")
        moment = (tmp_path / "tools" / "current").lstat().st_mtime + begun
        os.utime(tmp_path / "pm2" / "pm2.pid", (moment, moment))
    assert seen(server, tmp_path).tools == spare


@pytest.mark.parametrize("told", ['{"checks": {"a": [{"status": "pass"}]}}', "<html>", '{"checks": 1}', ""])
def test_what_a_worker_tells_of_itself(server: Sshd, told: str) -> None:
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as ops:
        root = Path(name)
        root.chmod(0o755)
        (root / "run" / "x").mkdir(parents=True)
        (root / "run" / "live").symlink_to("x")
        ops.bind(f"{root}/run/live/0.ops")
        Path(f"{root}/run/live/0.ops").chmod(0o777)
        ops.listen()
        assert seen(server, root).checks == {}
        ops.settimeout(10)
        with ThreadPoolExecutor() as pool:
            answering = pool.submit(answer, ops, told)
            found = seen(server, root, health="/health").checks
            answering.result()
    assert found == ({"a": [{"status": "pass"}]} if "pass" in told else {})


def answer(ops: socket.socket, told: str) -> None:
    """Answers one request for /health."""
    channel, _ = ops.accept()
    with channel:
        assert channel.recv(65536).startswith(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        channel.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(told)}\r\n\r\n{told}".encode())


def test_who_holds_the_lock(server: Sshd, tmp_path: Path) -> None:
    write(tmp_path / "state" / "lock", {"who": "ana\x1b[31m", "what": "deploy", "since": 12.0, "run": "x"})
    assert seen(server, tmp_path).lock is None
    holder = subprocess.Popen(
        ["flock", "--no-fork", tmp_path / "state" / "lock", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        lock = seen(server, tmp_path).lock
    finally:
        holder.kill()
        holder.wait(10)
    assert lock is not None
    assert (lock.who, lock.what, lock.since) == ("ana", "deploy", 12.0)


def test_a_login_without_rights_sees_what_it_may(tmp_path: Path) -> None:
    """As the unprivileged user of this machine, without sudo."""
    with sshd() as server:

        async def go() -> HostFacts:
            async with linked(server.host) as link:
                text = module.script(questions(tmp_path), "marker")
                answer = await link.script(text, user="nobody")
                return facts("h", Sections.read(answer.out.decode(), "marker"), questions(tmp_path), time.time())

        found = asyncio.run(go())
    assert (found.user, found.root) == ("nobody", False)
    assert found.memory > 0


UNITS = """\
m units
Id=nginx.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=x.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
m listening
LISTEN 0 511 *:80 0.0.0.0:* users:(("nginx",pid=1,fd=6))
LISTEN 0 1 [::1]:5432 [::]:*
m firewall
ENABLED=yes
m end"""


def test_units_and_listeners_are_read_from_their_programs_words() -> None:
    text = UNITS
    found = facts("h", Sections.read(text, "m"), questions(Path("/x")), 0)
    assert found.units == {"nginx.service": Unit("active", "enabled")}
    assert [(one.port, one.address, one.program) for one in found.listening] == [(80, "*", "nginx"), (5432, "[::1]", "")]
    assert found.firewall == "active"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    "m os",
                    "m machine",
                    "m load",
                    "m memory",
                    "m disk",
                    "m set a",
                    "m worker a 0",
                    "m release r",
                    "m lock",
                    "m units",
                    "m listening",
                ]
            ),
            st.text(max_size=60),
        )
    )
)
def test_nothing_that_a_host_prints_breaks_the_reader(lines: list[str]) -> None:
    facts("h", Sections.read("\n".join(lines), "m"), questions(Path("/x")), 0)
