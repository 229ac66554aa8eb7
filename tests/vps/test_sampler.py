"""What workers use, from real processes over a real sshd, once a second."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from chatops.errors import TargetError
from chatops.model import Worker
from chatops.pm2 import Layout
from chatops.resume import Backoff
from chatops.targets.vps.client.reach import Reach
from chatops.targets.vps.client.sampler import Sampler, sampled
from tests.rig.link import Link as Wire
from tests.vps.sshd import Sshd

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A shell that waits for another program, which holds 40 MB and uses a core."""
    work = f"exec 2>&1; {sys.executable} -c 'held = b\"x\" * 40_000_000; print(flush=True)\nwhile True: pass'; :"
    process = subprocess.Popen(["sh", "-c", work], start_new_session=True, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def record(run: Path, run_set: str, number: int, pid: int, started: float) -> None:
    (run / run_set).mkdir(parents=True, exist_ok=True)
    value = {"name": f"chat-{run_set}-{number}", "release": run_set, "pid": pid, "started": started, "restarts": number}
    (run / run_set / f"{number}.pid.json").write_text(json.dumps(value))


class Pm2:
    """A PM2 that answers on its socket as the real one does; `states` are those of its processes, by name."""

    def __init__(self, states: dict[str, str]) -> None:
        self.states = states
        self.asked: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = (await reader.readexactly(1))[0] & 15
        call, id = [await reader.readexactly(int.from_bytes(await reader.readexactly(4))) for _ in range(count)]
        self.asked.append(json.loads(call.removeprefix(b"j:"))["method"])
        known = [{"name": name, "pm2_env": {"env": {"status": "x"}, "status": state}} for name, state in self.states.items()]
        parts = [b"j:" + json.dumps({"args": [known]}).encode(), id]
        writer.write(bytes([0x12]) + b"".join(len(part).to_bytes(4) + part for part in parts))
        await writer.drain()


def test_a_worker_that_pm2_has_to_start_again_has_crashed(server: Sshd, tmp_path: Path, busy: subprocess.Popen[bytes]) -> None:
    """Where PM2 does not answer it is down; PM2 is asked far less often than the kernel."""
    names = [f"chat-aaa-{number}" for number in range(4)]
    record(tmp_path / "run", "aaa", 0, busy.pid, time.time())
    for number in (1, 2, 3):
        record(tmp_path / "run", "aaa", number, 2**22 - number, time.time())
    (tmp_path / "run/live").symlink_to("aaa")
    (tmp_path / "pm2").mkdir()
    pm2 = Pm2(dict(zip(names, ("online", "waiting restart", "errored", "stopped"), strict=True)))

    async def go() -> list[list[str]]:
        seen = []
        reach = Reach(server.host)
        for answering in (True, False):
            running = await asyncio.start_unix_server(pm2.answer, tmp_path / "pm2/rpc.sock")
            if not answering:
                running.close()
            sampler = Sampler(reach, Layout(PurePosixPath(tmp_path)))
            seen.append([worker.state for worker in await sampler.workers()])
            await asyncio.sleep(1.5)
            seen.append([worker.state for worker in await sampler.workers()])
            await sampler.close()
            running.close()
        await reach.close()
        return seen

    crashed, down = ["up", "crashed", "crashed", "down"], ["up", "down", "down", "down"]
    assert asyncio.run(go()) == [crashed, crashed, down, down]
    assert pm2.asked == ["getMonitorData"]


def test_workers_are_seen_every_second_and_over_a_lost_link(
    server: Sshd, tmp_path: Path, busy: subprocess.Popen[bytes]
) -> None:
    run = tmp_path / "run"
    record(run, "aaa", 0, busy.pid, time.time())
    record(run, "aaa", 1, busy.pid, time.time() - 1000)
    record(run, "bbb", 0, 2**22 - 1, time.time())
    record(run, "ccc", 0, busy.pid, time.time())
    (run / "live").symlink_to("bbb")
    (run / "previous").symlink_to("aaa")

    async def go() -> list[tuple[Worker, ...]]:
        seen = []
        with Wire("127.0.0.1", {0: server.port}) as wire:
            reach = Reach(server.through(wire.port))
            sampler = Sampler(reach, Layout(PurePosixPath(tmp_path)))
            seen.append(await sampler.workers())
            await asyncio.sleep(2.5)
            seen.append(await sampler.workers())
            wire.cut()
            await asyncio.sleep(0.3)
            with pytest.raises(TargetError):
                await sampler.workers()
            wire.resume()
            seen.append(await sampler.workers())
            await sampler.close()
            await reach.close()
        return seen

    first, second, third = asyncio.run(go())
    assert [(worker.name, worker.state) for worker in first] == [
        ("chat-bbb-0", "down"),
        ("chat-aaa-0", "up"),
        ("chat-aaa-1", "down"),
    ]
    busiest = second[1]
    assert busiest.pid == busy.pid
    assert busiest.cpu_percent is not None
    assert 5 < busiest.cpu_percent < 150
    assert busiest.memory_bytes
    assert 40_000_000 < busiest.memory_bytes < 100_000_000
    assert busiest.uptime_seconds is not None
    assert 0 < busiest.uptime_seconds < 60
    assert (busiest.restarts, busiest.release, busiest.host) == (0, "aaa", "127.0.0.1")
    assert len(third) == 3


def test_a_host_that_is_lost_takes_no_other_out_of_sight(server: Sshd, tmp_path: Path, busy: subprocess.Popen[bytes]) -> None:
    record(tmp_path / "run", "aaa", 0, busy.pid, time.time())
    (tmp_path / "run/live").symlink_to("aaa")

    async def go() -> list[list[str]]:
        seen = []
        with Wire("127.0.0.1", {0: server.port}) as near, Wire("127.0.0.1", {0: server.port}) as far:
            reaches = [Reach(server.through(wire.port)) for wire in (near, far)]
            samplers = [Sampler(reach, Layout(PurePosixPath(tmp_path))) for reach in reaches]
            for lost in ((), (far,), (near, far)):
                for wire in lost:
                    wire.cut()
                    await asyncio.sleep(0.3)
                try:
                    seen.append([worker.state for worker in await sampled(samplers)])
                except TargetError:
                    seen.append(["out of reach"])
            await asyncio.gather(*(one.close() for one in (*samplers, *reaches)))
        return seen

    assert asyncio.run(go()) == [["up", "up"], ["up", "down"], ["out of reach"]]


def test_a_host_that_is_down_at_first_comes_in_by_itself_and_keeps_nobody_waiting(
    server: Sshd, tmp_path: Path, busy: subprocess.Popen[bytes]
) -> None:
    """It is tried again with more and more time in between; meanwhile who asks is told at once."""
    record(tmp_path / "run", "aaa", 0, busy.pid, time.time())
    (tmp_path / "run/live").symlink_to("aaa")

    async def go() -> tuple[list[list[str]], int]:
        seen = []
        with Wire("127.0.0.1", {0: server.port}) as near, Wire("127.0.0.1", {0: server.port}) as far:
            far.cut()
            reaches = [Reach(server.through(wire.port)) for wire in (near, far)]
            samplers = [Sampler(reach, Layout(PurePosixPath(tmp_path)), Backoff(base=0.1, cap=0.5)) for reach in reaches]
            for _ in range(60):
                seen.append([worker.state for worker in await sampled(samplers)])
            tries = far.traffic.connections
            far.resume()
            while len(await sampled(samplers)) < 2:  # noqa: ASYNC110  the host answers in its own time
                await asyncio.sleep(0.02)
            await asyncio.gather(*(one.close() for one in (*samplers, *reaches)))
        return seen, tries

    seen, tries = asyncio.run(go())
    assert seen == [["up"]] * 60
    assert 2 <= tries < 40
