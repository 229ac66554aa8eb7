"""Watching a server of one's own over a slow link that breaks: logs, workers, one-off commands, and what a look costs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.yard import Yard
from tests.rig.host import Host
from tests.rig.link import Link
from tests.rig.mirror import Mirror
from tests.rig.rig import Rig

pytestmark = pytest.mark.timeout(600)
ASK = "curl -s -o /dev/null http://127.0.0.1"


class Far(Yard):
    """A project whose one host is behind a link."""

    wire: Link

    def entry(self, host: Host) -> dict[str, Any]:
        """The host's entry, at the near end of the link."""
        return {**super().entry(host), "address": self.wire.address, "port": self.wire.port}


@pytest.fixture(scope="module")
def far(rig: Rig, mirror: Mirror, chat_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    """A project whose host has the chat, behind a link."""
    with rig.borrowed(chat_image) as host, rig.link(host) as Far.wire:
        made = Far(tmp_path_factory.mktemp("far"), [host], mirror)
        made.chatops("deploy", "vps", "--yes")
        yield made


def test_nothing_to_do_costs_ten_round_trips(far: Far) -> None:
    far.wire.delayed(0.02)
    before = far.wire.traffic
    begun = time.monotonic()
    far.chatops("plan", "vps", "--detailed-exitcode", code=0)
    took, after = time.monotonic() - begun, far.wire.traffic
    far.wire.delayed(0)
    assert after.connections - before.connections == 1
    assert after.turns - before.turns <= 2 * 9  # and one for connecting
    print(f"{took:.2f} s, {(after.turns - before.turns) / 2 + 1} round trips")


def test_logs_go_on_over_a_cut_with_no_gap_and_no_repeat(far: Far) -> None:
    begun = threading.Event()
    process = far.start("logs", "vps", "-f", "-n", "0", "--json", "--until-match", "/last")
    asking = threading.Thread(target=lambda: [far.host.run(f"{ASK}/begin; sleep 0.5") for _ in iter(begun.is_set, True)])
    asking.start()
    assert process.stdout is not None
    assert any("/begin" in line for line in process.stdout)
    begun.set()
    asking.join()
    for number in range(30):
        far.host.run(f"{ASK}/line-{number}")
        if number == 10:
            far.wire.cut()
        if number == 20:
            far.wire.resume()
    deadline = time.monotonic() + 40
    while process.poll() is None and time.monotonic() < deadline:
        far.host.run(f"{ASK}/last")
        time.sleep(1)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    seen = [line for line in lines if line.get("source") == "nginx" and "/line-" in json.dumps(line)]
    paths = [next(str(value) for value in line["fields"].values() if str(value).startswith("/line-")) for line in seen]
    assert paths == [f"/line-{number}" for number in range(30)]


def test_workers_and_one_off_commands(far: Far) -> None:
    snapshot = json.loads(far.chatops("monitor", "vps", "--once", "--json").stdout)
    text = json.dumps(snapshot)
    assert "chat-" in text
    done = far.chatops("run", "vps", "--", "node", "-e", "console.log(process.env.RELEASE, process.getuid() > 0)")
    assert done.stdout.split()[1:] == ["true"]
    assert far.chatops("run", "vps", "--", "sh", "-c", "exit 9", code=9).stdout == ""
