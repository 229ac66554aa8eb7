"""The Autobahn cases against the echo path: the WebSocket layer behaves by the book, also through a VPS's nginx."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from chatops.targets.vps.provision import site
from tests.needs import need_module
from tests.sample_app.nginx import layout, nginx
from tests.servers import free_port, start_chat

# Compression, which the chat has switched off by design (a secret beside a chosen text can be guessed from its length, and
# it costs more than it saves): there these cases end as UNIMPLEMENTED.
LEFT_OUT = ["12.*", "13.*"]
CONFORMING = {"OK", "NON-STRICT", "INFORMATIONAL"}


def run_cases(url: str, report: Path) -> None:
    """No case fails, and no connection is closed in a wrong way."""
    need_module("kosoku")
    program = Path(sys.executable).with_name("kosoku")
    without = [part for case in LEFT_OUT for part in ("-x", case)]
    subprocess.run([program, url, *without, "-o", str(report)], check=True, capture_output=True, timeout=240)
    (results,) = json.loads((report / "index.json").read_text()).values()
    behaviors = Counter(case["behavior"] for case in results.values())
    assert len(results) > 300
    assert set(behaviors) <= CONFORMING, behaviors
    assert {case["behaviorClose"] for case in results.values()} <= {"OK", "INFORMATIONAL"}


def test_no_autobahn_case_fails(folder: Path) -> None:
    port = free_port()
    with start_chat(folder, env={"PORT": str(port), "ECHO_PATH": "1"}):
        run_cases(f"ws://127.0.0.1:{port}/echo", folder / "report")


def test_no_autobahn_case_fails_through_nginx(folder: Path) -> None:
    live = Path(layout(folder).run) / "live"
    live.mkdir(parents=True)
    for slot in range(site.slots(1)):
        (live / f"slot.{slot}").symlink_to("0.sock")
    with start_chat(folder, env={"PORT": str(live / "0.sock"), "ECHO_PATH": "1"}), nginx(folder, "/echo") as port:
        run_cases(f"ws://127.0.0.1:{port}/echo", folder / "report")
