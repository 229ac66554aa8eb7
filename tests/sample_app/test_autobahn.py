"""The Autobahn cases against the echo path: the WebSocket layer behaves by the book."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.needs import need_module
from tests.servers import free_port, start_chat

# 9: megabytes; 12 and 13: compression, which the chat has switched off.
LEFT_OUT = ["9.*", "12.*", "13.*"]
CONFORMING = {"OK", "NON-STRICT", "INFORMATIONAL"}


def test_no_autobahn_case_fails(folder: Path) -> None:
    need_module("kosoku")
    port = free_port()
    with start_chat(folder, env={"PORT": str(port), "ECHO_PATH": "1"}):
        program = Path(sys.executable).with_name("kosoku")
        without = [part for case in LEFT_OUT for part in ("-x", case)]
        argv = [program, f"ws://127.0.0.1:{port}/echo", *without, "-o", str(folder / "report")]
        subprocess.run(argv, check=True, capture_output=True, timeout=120)
    (results,) = json.loads((folder / "report" / "index.json").read_text()).values()
    behaviors = Counter(case["behavior"] for case in results.values())
    assert len(results) > 240
    assert set(behaviors) <= CONFORMING, behaviors
    assert {case["behaviorClose"] for case in results.values()} <= {"OK", "INFORMATIONAL"}
