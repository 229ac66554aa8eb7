"""A server of one's own over a slow link that breaks, and under names of ssh_config: what a look costs, logs, commands."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.yard import Yard, harm
from tests.needs import need
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


SSH_CONFIG = """\
Host *
  User root
  IdentityFile {identity}
  UserKnownHostsFile {folder}/known
Host outer
  HostName {address}
  Port {port}
Host inner
  HostName inner.lan
  ProxyJump outer
"""


@pytest.fixture
def aliased(far: Far, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """The same, where `ssh` knows the host as `outer`, and as `inner` under a name that only the host itself can resolve."""
    host, program = far.host, far.folder / "bin" / "ssh"
    config = SSH_CONFIG.format(identity=host.identity, folder=far.folder, address=host.address, port=host.port)
    (far.folder / "ssh_config").write_text(config)
    (far.folder / "known").write_text(host.known_hosts)
    program.parent.mkdir(exist_ok=True)
    real = need("ssh", "openssh-client")
    program.write_text(f'#!/bin/sh\nexec {real} -F {shlex.quote(str(far.folder / "ssh_config"))} "$@"\n')
    program.chmod(0o755)
    host.run("grep -q inner.lan /etc/hosts || echo 127.0.0.1 inner.lan >>/etc/hosts")
    monkeypatch.setitem(far.env, "PATH", f"{program.parent}:{far.env['PATH']}")
    yield far
    monkeypatch.undo()
    far.configure()


def known_as(far: Far, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the file name the host by nothing but an alias."""
    monkeypatch.setattr(far, "entry", lambda host: {"address": name, "host_key": host.host_key})
    far.configure()
    far.change(f"to {name}")


def test_a_host_that_only_ssh_config_knows(aliased: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    known_as(aliased, "outer", monkeypatch)
    finished = aliased.deploy()
    assert harm(finished) == {}
    assert aliased.json("status", "vps")["url"] == f"http://{aliased.host.address}"
    assert aliased.health()["release"] == finished["release"]


def test_a_host_behind_another_one_proves_itself(aliased: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    known_as(aliased, "inner", monkeypatch)
    why = "`inner` is reached through another host, and http://inner.lan/health can't be asked from here"
    said = aliased.chatops("deploy", "vps", "--yes").stderr
    assert said.count(why) == 1
    assert "requests failed" not in said
    status = aliased.json("status", "vps")
    assert (status["url"], status["state"], status["unseen"]) == ("http://inner.lan", "healthy", why)
    rows = [row["status"] for rows in status["health"]["checks"].values() for row in rows if "componentType" in row]
    assert (status["health"]["ok"], rows) == (None, ["pass", "pass"])  # PostgreSQL and Redis, as its worker says
    assert aliased.health()["release"] == status["release"]["id"]
    assert why in aliased.chatops("probe", "vps", code=3).stderr
    aliased.chatops("monitor", "vps", "--once", code=0)
    back = aliased.events("rollback", "vps", "--yes")[-1]
    assert (back["ok"], back["impact"]) == (True, None)
    assert aliased.health()["release"] == back["release"] != status["release"]["id"]
