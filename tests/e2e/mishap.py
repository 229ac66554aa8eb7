"""What can go wrong while a step of a change is held, and how the command that made the change then ends."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import Any

from tests.e2e.matrix import STORE, Field

FAULTS = ("cut", "freeze", "sigint", "sigkill", "fails", "fails-late", "hangs", "soft reboot", "hard reboot")
REBOOTS = {"soft reboot", "hard reboot"}
PROOFS = {"gate", "through"}


def mode(fault: str) -> str:
    """How the step is held for a fault."""
    if fault in {"fails", "fails-late", "hangs"}:
        return fault
    return "after" if fault == "hard reboot" else "before"


def happen(
    field: Field, process: subprocess.Popen[str], fault: str, before: list[str], *, root: bool = False, last: bool = False
) -> tuple[int, dict[str, Any], str]:
    """Lets a fault happen while a step is held, then lets the step go on; gives how the command ended.

    `before`: the steps that were begun; `root`: whether the one that is held is root's; `last`: whether no phase comes after.
    """
    match fault:
        case "cut" | "freeze":
            _part(field, process, fault)
        case "sigint":
            process.send_signal(signal.SIGINT)
            state = f"{STORE}/state" if root else "/srv/chat/state"
            field.host.run(f"timeout 10 sh -c 'until [ -e {state}/stop ]; do sleep 0.05; done'")
            field.go()
        case "sigkill":
            _kill(field, process, before, last=last)
        case "soft reboot" | "hard reboot":
            field.host.restart(hard=fault == "hard reboot")
    return ended(process)


def _part(field: Field, process: subprocess.Popen[str], fault: str) -> None:
    begun = time.monotonic()
    field.wire.cut() if fault == "cut" else field.wire.freeze()
    field.go()
    until_notice(process, "is lost")
    assert time.monotonic() - begun < 10
    field.wire.resume()


def _kill(field: Field, process: subprocess.Popen[str], before: list[str], *, last: bool) -> None:
    """What runs on the host goes on without the tool; who attaches sees it to its end."""
    process.kill()
    process.wait(10)
    assert not field.is_free()
    with field.start("attach", "vps", "--json") as attached:
        assert steps_until(attached, before[-1], field.place) == before
        field.go()
        code, _, err = ended(attached)
    assert code == (9 if "never begun" in err else 0), err
    assert ("never begun" in err) != last


def expected(fault: str, *, proof: bool = False, last: bool = False) -> set[int]:
    """The exit codes that a fault may lead to; `proof`: the step is a gate; `last`: no step comes after it."""
    match fault:
        case "cut" | "freeze":
            return {0}
        case "sigint":
            return {0} if last else {130}
        case "sigkill":
            return {-signal.SIGKILL}
        case "soft reboot" | "hard reboot":
            return {9}
        case _:
            return {5} if proof else {4}


def steps_until(process: subprocess.Popen[str], step: str, host: str) -> list[str]:
    """The steps that a command began on a host, up to one that it has just begun there."""
    events = until_step(process, step, host)
    return [event["step"] for event in events if event["type"] == "step_started" and event["host"] == host]


def until_step(process: subprocess.Popen[str], step: str, host: str | None = None) -> list[dict[str, Any]]:
    """Reads a command's events up to the one that a step has begun, on any host or on this one; gives them."""
    events = []
    assert process.stdout is not None
    for line in process.stdout:
        events.append(json.loads(line))
        if (events[-1]["type"], events[-1].get("step")) == ("step_started", step) and host in {None, events[-1]["host"]}:
            return events
    raise AssertionError(f"`{step}` never began: {events}\n{process.stderr.read() if process.stderr else ''}")


def until_notice(process: subprocess.Popen[str], words: str) -> None:
    """Reads a command's events up to a notice that holds some words."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in (json.loads(line).get("message") or ""):
            return
    raise AssertionError(f"nothing was said of {words!r}")


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    """Exit code, last event and talk of a command."""
    out, err = process.communicate(timeout=120)
    lines = out[: out.rfind("\n") + 1].splitlines()  # a tool that was killed leaves half a line
    return process.returncode, json.loads(lines[-1]) if lines else {}, err
