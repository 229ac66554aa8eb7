"""The rig by hand: `python -m tests.rig build | up [HOSTS] | status | down`."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rig.cache import cache, state
from tests.rig.host import Host
from tests.rig.mirror import node_mirror
from tests.rig.process import RigError, wait_until
from tests.rig.rig import Rig

UP_SECONDS = 1200
DOWN_SECONDS = 90


def build() -> None:
    """Make the image where it is missing, so that no test has to wait for it."""
    with Rig.open() as rig, rig.borrowed() as host:
        print(f"image ready; a host boots with kernel {host.run('uname -r').out.strip()}")


def up(count: int) -> None:
    """Start hosts that stay until `down`."""
    if _held() is None:
        _report().unlink(missing_ok=True)
        argv = [sys.executable, "-m", "tests.rig", "hold", str(count)]
        with (state() / "hold.log").open("wb") as log:
            holder = subprocess.Popen(argv, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("the hosts are up", lambda: _report().exists() or holder.poll() is not None, UP_SECONDS)
    status()


def hold(count: int) -> None:
    """What `up` leaves behind: a session with hosts, until it is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Rig.open() as rig, node_mirror(rig.engine.gateway()) as mirror:
        made = rig.fleet(count)
        for host in made:  # `reboot` there ends its container
            rig.engine.docker("update", "--restart", "unless-stopped", host.container)
        hosts = [{"ssh": " ".join(host.ssh_line()), "private": host.private, "entry": _entry(host)} for host in made]
        found = {"pid": os.getpid(), "hosts": hosts, "node_mirror": mirror.url}
        _report().with_suffix(".new").write_text(json.dumps(found))
        _report().with_suffix(".new").rename(_report())
        while True:
            signal.pause()


def status() -> None:
    """Say what is up."""
    held = _held()
    print(f"cache: {cache()}")
    if held is None:
        print(f"no hosts are up by hand; the last ones' log is {state() / 'hold.log'}")
        return
    for host in held["hosts"]:
        print(f"{host['ssh']}\n    from other hosts {host['private']}")
    print("\nFor chatops.yaml:\n\n    hosts:")
    for host in held["hosts"]:
        print(f"      - {{{host['entry']}}}")
    print(f"    node_mirror: {held['node_mirror']}")


def _entry(host: Host) -> str:
    """A host as chatops.yaml has it."""
    place = f"address: {host.address}, port: {host.port}, user: root"
    return f'{place}, identity: {host.identity}, host_key: "{host.host_key}"'


def down() -> None:
    """End what `up` started; the engine ends too, unless a test run still uses it."""
    held = _held()
    if held:
        os.kill(held["pid"], signal.SIGTERM)
        wait_until("the hosts are gone", lambda: _held() is None, DOWN_SECONDS)
    _report().unlink(missing_ok=True)
    status()


def _held() -> dict[str, Any] | None:
    """What the living holder reported."""
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(_report().read_text())
        words = Path(f"/proc/{found['pid']}/cmdline").read_bytes().split(b"\0")
        return found if b"tests.rig" in words else None
    return None


def _report() -> Path:
    return state() / "held.json"


def main(words: list[str]) -> int:
    match words:
        case ["up" | "hold" as verb, *rest] if len(rest) <= 1:
            {"up": up, "hold": hold}[verb](int(rest[0]) if rest else 1)
        case ["build" | "status" | "down" as verb]:
            {"build": build, "status": status, "down": down}[verb]()
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (RigError, pytest.skip.Exception, pytest.fail.Exception) as error:
        sys.exit(f"error: {error}")
