"""Root and the app's user on one server: whatever that user puts in its folder, root changes nothing elsewhere for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatops.model import App
from chatops.targets.vps import fleet as fleets
from chatops.targets.vps.config import Block
from chatops.targets.vps.provision import account, runtime, stores
from chatops.targets.vps.provision.machine import Machine, Node, RootStep
from tests.blocks import block_of
from tests.e2e.yard import Yard
from tests.rig.host import Host

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
VICTIM = "/etc/victim"


@pytest.fixture(scope="module")
def steps(kept_yard: Yard) -> dict[str, RootStep]:
    """The steps in which root has to do with the app's folder."""
    # In a container what came with the image can't be renamed, only copied: these folders are made of its own disk.
    anew = "cp -a $folder $folder.anew && rm -rf $folder && mv $folder.anew $folder"
    loop = f"cd /srv/chat && for folder in runtime tools run logs shared state; do {anew}; done"
    kept_yard.host.run(f"systemctl stop pm2-chat && {loop} && systemctl start pm2-chat")
    kept_yard.served()
    block = block_of(Block, {"hosts": [{"address": kept_yard.host.address}]})
    version = kept_yard.host.run("readlink /srv/chat/runtime/current").out.strip()
    app = App("chat", Path("app"), websocket="/ws")
    [machine] = fleets.fleet(app, block, {kept_yard.host.address: Node(version)}).machines.values()
    return {step.name: step for step in _steps(machine)}


def _steps(machine: Machine) -> list[RootStep]:
    return [account.step(machine), runtime.node(machine), runtime.pm2(machine), stores.redis(machine), stores.postgres(machine)]


def owners(host: Host) -> str:
    """What a folder of root's is like."""
    return host.run(f"find {VICTIM} -printf '%p %U %G %m %s\\n' | sort; cat {VICTIM}/file").out


def victim(host: Host) -> str:
    """Makes one."""
    host.run(f"mkdir -p {VICTIM}/releases && echo mine >{VICTIM}/file && chmod 640 {VICTIM}/file")
    return owners(host)


CASES = [
    ("logs", VICTIM, "account"),
    ("shared", VICTIM, "account"),
    ("run", VICTIM, "account"),
    ("runtime", VICTIM, "account"),
    ("tools", VICTIM, "account"),
    ("runtime", VICTIM, "node"),
    ("tools", VICTIM, "pm2"),
    ("shared/secrets/REDIS_URL.new", f"{VICTIM}/file", "redis"),
    ("shared/secrets/DATABASE_URL.new", f"{VICTIM}/file", "postgres"),
]


@pytest.mark.parametrize(("path", "aim", "step"), CASES, ids=lambda value: str(value).rpartition("/")[2])
def test_a_link_in_the_apps_folder_leads_root_nowhere(
    kept_yard: Yard, steps: dict[str, RootStep], path: str, aim: str, step: str
) -> None:
    """The app's user exchanges a folder, or puts a link where root is about to write; a release's workers could do that."""
    host, place = kept_yard.host, f"/srv/chat/{path}"
    before = victim(host)
    host.run(f"mv {place.removesuffix('.new')} {place}.before; ln -s {aim} {place}", user="chat")
    try:
        host.run(f"umask 077; set -e\n{steps[step].action}", check=False)
        assert owners(host) == before
    finally:
        host.run(f"rm {place}; mv {place}.before {place.removesuffix('.new')}", user="chat")


def test_the_host_is_as_it_was(kept_yard: Yard) -> None:
    """After all of that, and with every folder made again."""
    host = kept_yard.host
    found = (
        "stat -c '%n %U:%G %a' /srv/chat /srv/chat/run /srv/chat/runtime /srv/chat/tools /srv/chat/logs /srv/chat/shared/env"
    )
    host.run(f"chmod 700 /srv/chat/run && rm /var/lib/chatops/chat/stamps/account && rm -rf {VICTIM}")
    assert kept_yard.deploy()["ok"]
    assert host.run(found).out.splitlines() == [
        "/srv/chat chat:www-data 710",
        "/srv/chat/run chat:www-data 2710",
        "/srv/chat/runtime root:root 755",
        "/srv/chat/tools root:root 755",
        "/srv/chat/logs chat:chat 700",
        "/srv/chat/shared/env chat:chat 700",
    ]
    assert kept_yard.json("status", "vps")["state"] == "healthy"


def test_removing_the_app_removes_nothing_elsewhere(kept_yard: Yard) -> None:
    host = kept_yard.host
    before = victim(host)
    host.run(f"cd /srv/chat && mv state state.before && ln -s {VICTIM} state", user="chat")
    assert "delete the releases" in kept_yard.chatops("remove", "vps", "--yes", code=4).stderr
    assert owners(host) == before
