"""The link on real hosts: another user with sudo, a reboot under way, a daemon's lock, a look with everything there is."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from chatops.errors import TargetError, UnknownOutcome
from chatops.events import StepOutput
from chatops.model import App
from chatops.pm2 import Layout
from chatops.program import ShellStep, compile_program
from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.carry import Carrier
from chatops.targets.vps.client.look import look
from chatops.targets.vps.client.reach import Reach
from chatops.targets.vps.config import Block
from chatops.targets.vps.facts import HostFacts, Program, Questions
from chatops.targets.vps.fleet import fleet
from chatops.targets.vps.provision import site
from tests.blocks import block_of
from tests.rig.host import Host
from tests.rig.impostor import impostor
from tests.rig.rig import Rig
from tests.vps.sshd import linked

pytestmark = pytest.mark.timeout(300)
ROOT = PurePosixPath("/srv/chat")
STATE = ROOT / "state"


@pytest.fixture(scope="module")
def host(rig: Rig) -> Iterator[Host]:
    with rig.borrowed() as made:
        yield made


def address(host: Host, user: str = "root") -> HostAddress:
    return HostAddress(host.address, user, host.port, host.identity, (host.host_key,))


def questions() -> Questions:
    places = {"pm2": ROOT / "pm2", "runtimes": ROOT / "node", "stamps": ROOT / "stamps", "lock": ROOT / "lock"}
    return Questions(
        app="chat", layout=Layout(ROOT), packages=("openssh-server",), units=("ssh.service", "cron.service"), **places
    )


def program(action: str) -> Program:
    step = ShellStep(name="only", title="the only step", action=action)
    names = {"program": STATE / "prepare.sh", "journal": STATE / "journal.ndjson", "stop": STATE / "stop"}
    text = compile_program("a test", [step], names)
    return Program(phase="prepare", text=text, user="root", state=STATE, lock=STATE / "lock", titles={"only": step.title})


def seen(where: HostAddress) -> HostFacts:
    async def go() -> HostFacts:
        async with linked(where) as link:
            return await look(link, questions())

    return asyncio.run(go())


def test_a_look_at_a_host_that_has_only_sshd(host: Host) -> None:
    found = seen(address(host))
    assert (found.os, found.os_version, found.codename, found.user, found.root) == ("debian", "12", "bookworm", "root", True)
    assert {name: unit.active for name, unit in found.units.items()} == {"ssh.service": "active", "cron.service": "active"}
    assert found.units["ssh.service"].enabled == "enabled"
    assert found.packages["openssh-server"]
    assert 22 in {one.port for one in found.listening}
    assert (found.firewall, found.app_user, found.reboot_required) == ("absent", False, False)


RULES = """\
### tuple ### allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in comment=636861746f7073
### tuple ### allow tcp 8000 0.0.0.0/0 any 10.0.0.1 in comment=636861746f7073
### tuple ### limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### deny tcp 81 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow tcp 82 0.0.0.0/0 any 0.0.0.0/0 in_eth1
### tuple ### allow udp 53 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow tcp 5432 0.0.0.0/0 any 10.0.0.0/8 in
### tuple ### allow tcp 8000 ::/0 any 2001:db8::1 in
-A ufw-user-input -p tcp --dport 80 -j ACCEPT
"""


def test_what_the_firewall_lets_in_and_whom_other_apps_answer(host: Host) -> None:
    """As ufw itself writes it down; a site with a domain takes nobody else's requests."""
    assert seen(address(host)).rules is None
    host.run("mkdir -p /etc/ufw /etc/nginx/conf.d")
    host.write("/etc/ufw/user.rules", RULES)
    host.write("/etc/ufw/user6.rules", "")
    for name, number, domain in (("alone", 0, None), ("named", 0, "named.example.com"), ("both", 2, "both.example.com")):
        roles = (["balancer", "app", "data"], ["app"])
        hosts = [{"address": f"203.0.113.{one}", "roles": roles[one]} for one in range(number)]
        block = block_of(Block, {"hosts": hosts or [{"address": "203.0.113.0"}], "domain": domain})
        machine = next(iter(fleet(App(name, Path("app")), block, {}).machines.values()))
        host.write(str(site.path(machine)), site.text(machine, secure=False))
    host.write("/etc/nginx/conf.d/chatops-chat.conf", "listen 80;\nserver_name _;\n")
    found = seen(address(host))
    assert found.port == 22
    assert found.taken == {80: "alone", 8000: "both"}
    assert found.rules == {
        "allow 80/tcp",
        "allow from 10.0.0.1 to any port 8000 proto tcp",
        "allow from 10.0.0.0/8 to any port 5432 proto tcp",
        "allow from 2001:db8::1 to any port 8000 proto tcp",
    }
    host.run("rm -r /etc/ufw /etc/nginx")


def test_a_user_with_sudo_becomes_root_and_others(host: Host) -> None:
    host.run("useradd -m -s /bin/bash ana && echo 'ana ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ana && useradd chat")
    host.run("install -d -o ana -m 700 ~ana/.ssh && install -o ana -m 600 ~/.ssh/authorized_keys ~ana/.ssh/")
    host.run("echo 'echo noise; sleep 0.3' | tee -a ~ana/.bashrc >~ana/.profile; sed -i '1i echo more noise' ~ana/.bashrc")
    ana = address(host, "ana")
    found = seen(ana)
    assert (found.user, found.root, found.app_user) == ("ana", True, True)

    async def go() -> list[bytes]:
        async with linked(ana) as link:
            answers = [
                await link.script("id -un; cat; echo $HOME", stdin=b"in\n", user=user) for user in ("root", "chat", "ana", "")
            ]
            return [answer.out for answer in answers]

    assert asyncio.run(go()) == [
        b"root\nin\n/root\n",
        b"chat\nin\n/home/chat\n",
        b"ana\nin\n/home/ana\n",
        b"ana\nin\n/home/ana\n",
    ]


def test_a_user_without_rights_is_told(host: Host) -> None:
    host.run("rm -f /etc/sudoers.d/ana")
    if host.run("id -u ana", check=False).code:
        pytest.skip("the user was made by the test before")

    async def go() -> None:
        async with linked(address(host, "ana")) as link:
            await link.script("true", user="root")

    with pytest.raises(TargetError, match="sudo"):
        asyncio.run(go())
    assert not seen(address(host, "ana")).root


def test_a_reboot_under_way_leaves_the_outcome_open_and_the_lock_free(host: Host) -> None:
    async def go() -> None:
        reach = Reach(address(host))
        carrier = Carrier(reach, "deploy", "ana@laptop", lambda text: text)
        try:
            async with aclosing(carrier.phase(program("echo begun; sleep 300"))) as events:
                async for event in events:
                    if isinstance(event, StepOutput):
                        await asyncio.to_thread(host.restart, hard=True)
        finally:
            await carrier.release()
            await reach.close()

    with pytest.raises(UnknownOutcome, match="was killed"):
        asyncio.run(go())
    assert seen(address(host)).lock is None
    assert host.run("pgrep -f '[p]repare.sh'", check=False).code == 1


def test_the_same_command_again_finishes(host: Host) -> None:
    async def go() -> list[str]:
        reach = Reach(address(host))
        carrier = Carrier(reach, "deploy", "ana@laptop", lambda text: text)
        said = [event.line async for event in carrier.phase(program("echo done")) if isinstance(event, StepOutput)]
        await carrier.release()
        await reach.close()
        return said

    assert asyncio.run(go()) == ["done"]


def test_an_impostor_in_the_hosts_very_place(rig: Rig) -> None:
    with rig.borrowed() as victim:
        where = address(victim)
        victim.stop()
        with impostor(victim.address, victim.port) as fake:
            with pytest.raises(TargetError, match="shows the host key") as caught:
                seen(replace(where, port=fake.port))
            assert fake.attempts == []
    assert victim.host_key in caught.value.message
    assert caught.value.exit_code == 3
