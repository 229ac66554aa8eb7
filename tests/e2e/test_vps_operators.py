"""Several operators and one server: one works, the others are told who, can wait, can watch; and links that fail on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import websockets

from tests.e2e.matrix import Field, Fields
from tests.e2e.mishap import ended, steps_until, until_notice, until_step
from tests.e2e.yard import harm

pytestmark = pytest.mark.timeout(600)


def other(field: Field, folder: Path) -> Field:
    """The same server in another operator's folder, with another state of the app."""
    made = Field(folder, [field.host], field.wire, field.mirror)
    made.env["LOGNAME"] = "bob"
    made.change("as bob has it")
    return made


@pytest.mark.faults
def test_two_at_once(fields: Fields, tmp_path: Path) -> None:
    field = fields.take()
    field.env["LOGNAME"] = "ana"
    bob = other(field, tmp_path)
    field.renew()
    with field.held("start", "before"), field.start("deploy", "vps", "--yes", "--json") as ana:
        first = steps_until(ana, "start", field.place)
        refused = bob.chatops("deploy", "vps", "--yes", code=6)
        assert "locked by ana@" in refused.stderr and "(deploy) for " in refused.stderr
        assert bob.json("status", "vps")["lock"]["who"].startswith("ana@")
        with bob.start("deploy", "vps", "--yes", "--json", "--wait-lock", "100") as waiting:
            assert waiting.stderr is not None
            assert "waiting: locked by ana@" in waiting.stderr.readline()
            with bob.start("attach", "vps", "--json") as watching:
                assert steps_until(watching, "start", field.place) == first
                field.go()
                assert ended(ana)[0] == 0
                assert ended(watching)[0] == 0
            code, last, err = ended(waiting)
    assert (code, last["ok"]) == (0, True), err
    assert field.health()["release"] == last["release"]
    field.deploy()
    fields.keep(field)


@pytest.mark.faults
def test_one_provisions_while_another_deploys(fields: Fields, tmp_path: Path) -> None:
    field = fields.take()
    field.env["LOGNAME"] = "ana"
    bob = other(field, tmp_path)
    field.renew()
    field.host.run("rm /var/lib/chatops/chat/stamps/rotation")
    with field.held("rotation", "before"), field.start("deploy", "vps", "--yes", "--json") as ana:
        until_step(ana, "rotation")
        assert "locked by ana@" in bob.chatops("deploy", "vps", "--yes", code=6).stderr
        with bob.start("attach", "vps", "--json") as watching:
            begun = until_step(watching, "rotation")
            field.go()
            begun += until_step(watching, "switch")
            assert {event["phase"] for event in begun if event["type"] == "step_started"} == {"provision", "prepare", "switch"}
            assert ended(ana)[0] == 0
            assert ended(watching)[0] == 0
    fields.keep(field)


@pytest.mark.faults
def test_nobody_comes_in_between_a_failure_and_the_way_back(fields: Fields, tmp_path: Path) -> None:
    field = fields.take()
    bob = other(field, tmp_path)
    bob.renew()
    field.renew()
    with field.held("through", "fails-late"), field.start("deploy", "vps", "--yes", "--json") as ana:
        until_step(ana, "unpack")
        with bob.start("deploy", "vps", "--yes", "--json", "--wait-lock", "100") as waiting:
            code, last, err = ended(ana)
            assert code == 5, err
            assert "way back failed" not in err
            assert harm(last) == {}
            code, last, err = ended(waiting)
    assert code == 0, err
    assert field.health()["release"] == last["release"]
    field.renew()
    field.deploy()
    fields.keep(field)


def when(holds: Callable[[], bool], then: Callable[[], object]) -> threading.Thread:
    """Does something as soon as something holds, while others go on."""

    def wait() -> None:
        while not holds():
            time.sleep(0.002)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["cut", "freeze", "sigkill"])
def test_an_upload_that_breaks_off(fields: Fields, fault: str) -> None:
    """20 MB that no compression makes smaller."""
    field = fields.take()
    old = field.health()["release"]
    field.renew()
    (field.folder / "app" / "public" / "big").write_bytes(os.urandom(20 << 20))
    sent = field.wire.traffic.up
    process = field.start("deploy", "vps", "--yes", "--json")
    faults = {"cut": field.wire.cut, "freeze": field.wire.freeze, "sigkill": process.kill}
    when(lambda: field.wire.traffic.up - sent > 5 << 20, faults[fault]).join(60)
    begun = time.monotonic()
    with process:
        if fault != "sigkill":
            until_notice(process, "is lost")
            assert time.monotonic() - begun < 10
            field.wire.resume()
        code, last, err = ended(process)
    if fault == "sigkill":
        assert code == -signal.SIGKILL
        field.until_free()
        assert field.health()["release"] == old
        assert "nothing is being changed" in field.chatops("attach", "vps", code=3).stderr
        last = field.deploy()
    else:
        assert (code, last["ok"]) == (0, True), err
    assert field.health()["release"] == last["release"] != old
    field.check_nothing_is_left(last["release"])
    (field.folder / "app" / "public" / "big").unlink()
    fields.keep(field)


@pytest.mark.faults
def test_pm2_stops_and_starts_with_time_to_drain(fields: Fields) -> None:
    """Clients that don't go are closed by the worker with 1012 (service restart), not cut off; all workers drain at once."""
    field = fields.take()
    host = field.host
    release = field.health()["release"]

    async def cut() -> tuple[set[int | None], float]:
        async with AsyncExitStack() as stack:
            url = f"ws://{host.address}:{host.ports[80]}/ws"
            clients = [await stack.enter_async_context(websockets.connect(url)) for _ in range(12)]
            begun = time.monotonic()
            await asyncio.to_thread(host.run, "systemctl restart pm2-chat", seconds=100)
            took = time.monotonic() - begun
            async with asyncio.timeout(10):
                await asyncio.gather(*(client.wait_closed() for client in clients))
            return {client.close_code for client in clients}, took

    codes, took = asyncio.run(cut())
    assert codes == {1012}
    assert took < 60
    assert "stopped at the deadline" not in host.run("cat /srv/chat/logs/*.log").out
    assert field.served() == release
    field.check_nothing_is_left(release)
    fields.keep(field)
