"""What goes wrong while an app is taken away from a real host: the same command again is enough, and so is a deploy."""

from __future__ import annotations

import pytest

from tests.e2e.matrix import LOCK, Field, Fields
from tests.e2e.mishap import FAULTS, expected, happen, mode, steps_until

pytestmark = [pytest.mark.timeout(900), pytest.mark.faults]
REMOVE = ("stop", "site", "delete")
PURGE = ("stop", "site", "stores", "packages", "user")
THROUGH = ("cut", "freeze", "sigkill")
"""Faults in spite of which it is taken away: what runs on the host goes on."""
HALTS = tuple(fault for fault in FAULTS if fault not in THROUGH)


def interrupted(field: Field, step: str, fault: str, *more: str, last: bool) -> None:
    """A `remove` in which a fault happens; `last`: no step comes after this one."""
    with field.held(step, mode(fault)), field.start("remove", "vps", "--yes", "--json", *more) as process:
        before = steps_until(process, step, field.place)
        code, said, err = happen(field, process, fault, before, root=True, last=True)
    assert code in expected(fault, last=last), (fault, step, code, said, err)
    field.host.run(f"[ ! -e {LOCK} ] || timeout 2 flock {LOCK} true")


@pytest.mark.parametrize("first", range(len(FAULTS)))
def test_removed(fields: Fields, first: int) -> None:
    """Each step meets another fault; in all of these tests together every step meets every one."""
    field = fields.take()
    for number, step in enumerate(REMOVE):
        interrupted(field, step, FAULTS[(first + number) % len(FAULTS)], last=step == REMOVE[-1])
    field.chatops("remove", "vps", "--yes")
    assert field.json("status", "vps")["state"] == "absent"
    assert field.host.run("pgrep -u chat -a", check=False).out == ""
    assert field.host.run("ls /srv/chat").out.split() == ["runtime", "shared", "state", "tools"]
    release = field.deploy()["release"]
    assert field.served() == release
    fields.keep(field)


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("step", PURGE)
def test_purged(fields: Fields, step: str, through: str) -> None:
    """Two faults that it does not get over, at this step and at others in turn, then one in spite of which it ends."""
    field = fields.take()
    number = PURGE.index(step) * len(THROUGH) + THROUGH.index(through)
    for turn in (2 * number, 2 * number + 1):
        halted = PURGE[turn // len(HALTS)]
        interrupted(field, halted, HALTS[turn % len(HALTS)], "--purge", last=halted == PURGE[-1])
        if field.host.run("getent passwd chat", check=False).code:  # it was the last step, and done
            field.deploy()
    interrupted(field, step, through, "--purge", last=step == PURGE[-1])
    field.chatops("remove", "vps", "--yes", "--purge")
    assert field.host.run("find / -xdev -name '*chatops*' -o -path '/srv/*'").out == ""
    assert field.host.run("getent passwd chat; ls /etc/nginx /etc/postgresql /etc/redis", check=False).out == ""
    release = field.deploy()["release"]
    assert field.served() == release
    fields.keep(field)
