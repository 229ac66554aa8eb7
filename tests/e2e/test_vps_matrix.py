"""Every step of a deploy, and all that can go wrong in it, on a real host: what served serves on, and a rerun converges."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.e2e.matrix import STORE, Field, Fields, Watch, ended, until_notice, until_step
from tests.e2e.yard import harm

pytestmark = pytest.mark.timeout(240)

PREPARE = ("unpack", "modules", "link", "secret", "record", "start", "gate")
SWITCH = ("switch", "through")
SETTLE = ("drain", "stop", "prune")
STEPS = (*PREPARE, *SWITCH, *SETTLE)
PROOFS = ("gate", "through")
FAULTS = ("cut", "freeze", "sigint", "sigkill", "fails", "fails-late", "hangs", "soft reboot", "hard reboot")
SHORT = {
    ("start", "sigkill"),
    ("gate", "sigint"),
    ("switch", "cut"),
    ("switch", "hard reboot"),
    ("through", "fails"),
    ("drain", "fails"),
}
"""What also runs where the rest would take too long."""

CELLS = [
    pytest.param(step, fault, id=f"{step}-{fault}", marks=() if (step, fault) in SHORT else pytest.mark.faults)
    for step in STEPS
    for fault in FAULTS
]

PROVISION = ("packages", "account", "node", "pm2", "unit", "rotation", "limits", "redis", "postgres", "site", "firewall")
EACH = ("sigkill", "fails-late", "hard reboot")
"""What every step of root's meets; three of them meet everything."""
ROOT_CELLS = [
    pytest.param(step, fault, id=f"{step}-{fault}")
    for step in PROVISION
    for fault in (FAULTS if step in {"account", "unit", "site"} else EACH)
]


def mode(fault: str) -> str:
    """How the step is held for a fault."""
    if fault in {"fails", "fails-late", "hangs"}:
        return fault
    return "after" if fault == "hard reboot" else "before"


@pytest.mark.parametrize(("step", "fault"), CELLS)
def test_a_deploy(fields: Fields, step: str, fault: str) -> None:
    check(fields, step, fault)


@pytest.mark.faults
@pytest.mark.parametrize(("step", "fault"), ROOT_CELLS)
def test_provisioning(fields: Fields, step: str, fault: str) -> None:
    """A step of root's that is due again, with a new release behind it."""
    check(fields, step, fault)


def check(fields: Fields, step: str, fault: str) -> None:
    """One cell: before the switch the old release serves, then old or new; a rerun finishes, and nothing is left over."""
    field = fields.take()
    old = field.health()["release"]
    field.renew(modules=step == "modules", secret=step == "secret")
    if step in PROVISION:
        field.host.run(f"rm {STORE}/stamps/{step}")
    name = f"secret_MADE_{field.number}" if step == "secret" else step
    with Watch(field.host) as watch:
        with field.held(name, mode(fault)), field.start("deploy", "vps", "--yes", "--json") as process:
            before = [event["step"] for event in until_step(process, name) if event["type"] == "step_started"]
            code, last, err = happen(field, process, fault, before)
        assert code in expected(step, fault), (code, last, err)
        assert last.get("exit_code", code) == code
        field.until_free()
        serves = field.served()
        if step not in {*SWITCH, *SETTLE} and fault not in {"cut", "freeze"}:
            assert serves == old
        done = field.deploy()
        assert done["ok"]
        assert not done["changed"] or harm(done) == {}
        field.chatops("plan", "vps", "--detailed-exitcode")
    assert watch.releases <= {old, done["release"]}, watch.releases
    assert watch.failed == [] or "reboot" in fault, watch.failed
    assert watch.asked > 20
    assert done["release"] != old
    field.check_nothing_is_left(done["release"])
    fields.keep(field)


def happen(field: Field, process: subprocess.Popen[str], fault: str, before: list[str]) -> tuple[int, dict[str, object], str]:
    """Lets a fault happen while a step is held, then lets the step go on; gives how the command ended."""
    match fault:
        case "cut" | "freeze":
            begun = time.monotonic()
            field.wire.cut() if fault == "cut" else field.wire.freeze()
            field.go()
            until_notice(process, "is lost")
            assert time.monotonic() - begun < 10
            field.wire.resume()
        case "sigint":
            process.send_signal(signal.SIGINT)
            state = f"{STORE}/state" if before[-1] in PROVISION else "/srv/chat/state"
            field.host.run(f"timeout 10 sh -c 'until [ -e {state}/stop ]; do sleep 0.05; done'")
            field.go()
        case "sigkill":
            process.kill()
            process.wait(10)
            assert not field.is_free()
            with field.start("attach", "vps", "--json") as attached:
                seen = [event["step"] for event in until_step(attached, before[-1]) if event["type"] == "step_started"]
                assert seen == before
                field.go()
                code, _, err = ended(attached)
            assert code == (9 if "never begun" in err else 0), err
            assert ("never begun" in err) == (before[-1] not in SETTLE)
        case "soft reboot" | "hard reboot":
            field.host.restart(hard=fault == "hard reboot")
    return ended(process)


def expected(step: str, fault: str) -> set[int]:
    """The exit codes that a fault may lead to."""
    match fault:
        case "cut" | "freeze":
            return {0}
        case "sigint":
            return {0} if step == SETTLE[-1] else {130}
        case "sigkill":
            return {-signal.SIGKILL}
        case "soft reboot" | "hard reboot":
            return {9}
        case _:
            return {5} if step in PROOFS else {4}
