"""Every change on this machine, ended at every step: users notice nothing, the same again finishes it, nothing is left."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.e2e.place import Place

ENDS = ["SIGINT", "SIGKILL", "power"]
"""ctrl+c; the tool is killed, and its program goes on; both are killed in the midst of a step."""
CHANGES: dict[str, tuple[str, list[str]]] = {
    "deploy": ("deploy", ["unpack", "record", "start", "gate", "switch", "drain", "stop", "prune"]),
    "rollback": ("rollback local {warm}", ["gate", "switch", "drain"]),
    "cold rollback": ("rollback local {cold}", ["start", "gate", "switch", "drain", "stop"]),
    "scale up": ("scale 4", ["start", "gate"]),
    "scale down": ("scale 1", ["stop"]),
    "restart": ("restart", ["start", "gate", "switch", "drain", "stop"]),
    "remove": ("remove --yes", ["stop", "delete"]),
}
MAIN = {"deploy-start-SIGKILL", "deploy-gate-SIGINT", "rollback-switch-power", "scale up-gate-power"}


def cases() -> Iterator[object]:
    """A few for every run, all others with the long matrix."""
    for change, (_, steps) in CHANGES.items():
        for step in steps:
            for end in ENDS:
                name = f"{change}-{step}-{end}"
                yield pytest.param(change, step, end, marks=() if name in MAIN else pytest.mark.faults, id=name)


def ended(process: subprocess.Popen[str], end: str) -> int:
    """Ends the tool, or it and what it has started; gives its exit code."""
    if end == "power":
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for one in family:  # PM2 and its workers are nobody's children
            with suppress(psutil.NoSuchProcess):
                one.kill()
    else:
        process.send_signal(signal.Signals[end])
    assert process.stdout
    process.stdout.read()
    return process.wait(60)


def prepared(tiny: Place) -> dict[str, str]:
    """Four releases (`keep` is 3, so that the next one prunes); gives the warm one and a cold one."""
    text = (tiny.folder / "chatops.yaml").read_text()
    (tiny.folder / "chatops.yaml").write_text(text.replace("workers: 2,", "workers: 2, keep: 3,"))
    ids = []
    for words in ("one", "two", "three"):
        tiny.write(words)
        ids.append(tiny.events("deploy")[-1]["release"])
    tiny.write("four")
    return {"cold": ids[0], "warm": ids[1]}


@pytest.mark.parametrize(("change", "step", "end"), list(cases()))
def test_a_change_ended_at_a_step(tiny: Place, change: str, step: str, end: str) -> None:
    words = CHANGES[change][0].format(**prepared(tiny)).split()
    with tiny.watched() as failures:
        with tiny.start(*words, "--json", start_new_session=True) as process:
            assert process.stdout
            seen = (json.loads(line) for line in process.stdout)
            assert any(event["type"] == "step_started" and event["step"] == step for event in seen)
            code = ended(process, end)
        # After the last step has begun there is nothing left that ctrl+c could stop.
        assert code in ({0, 130} if end == "SIGINT" else {-signal.SIGKILL})
        again = ("--wait-lock", "60") if change != "remove" else ()
        settled(tiny)
        if change != "remove":
            tiny.chatops(*words, *again)
    if change == "remove":
        tiny.chatops(*words)
        assert tiny.processes() == []
        assert tiny.json("status")["state"] == "absent"
        return
    assert failures == []
    converged(tiny, change)


def settled(tiny: Place) -> None:
    """Waits for a program that goes on by itself."""
    tiny.chatops("attach", code=None)


def converged(tiny: Place, change: str) -> None:
    """The page and the workers that were wanted; and after one more deploy no worker that nobody knows of."""
    wanted = {"deploy": "four", "rollback": "two", "cold rollback": "one"}.get(change, "three")
    assert tiny.page() == wanted
    status = tiny.json("status")
    count = {"scale up": 4, "scale down": 1}.get(change, 2)
    serving = [worker for worker in status["workers"] if worker["release"] == status["release"]["id"]]
    assert (status["state"], len(serving)) == ("healthy", count)
    tiny.write("five")
    tiny.chatops("deploy")
    assert tiny.page() == "five"
    launched = [one for one in tiny.processes() if "launch.cjs" in " ".join(one.cmdline())]
    assert len(launched) == 2 + count
    left = {"bad"} if "rollback" in change else set()
    assert {one["state"] for one in tiny.json("releases")["releases"]} <= {"current", "warm", "kept"} | left
