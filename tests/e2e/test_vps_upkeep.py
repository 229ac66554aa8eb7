"""A server of one's own over time: reboots, a wrong clock, little memory, and the app taken away again."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tests.e2e.yard import Yard, harm
from tests.rig.host import Host

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


def finding(yard: Yard, name: str) -> dict[str, str]:
    """What the doctor says of one thing."""
    said = json.loads(yard.chatops("doctor", "vps", "--json", code=None).stdout)
    found = {one["name"].partition(" ")[2]: one for one in said["findings"]}
    return dict(found[name])


def answers(host: Host, path: str) -> int:
    """The status of a page of the app."""
    with urllib.request.urlopen(f"http://{host.address}:{host.ports[80]}{path}", timeout=10) as answer:
        return int(answer.status)


def test_what_is_back_after_a_reboot(yard: Yard) -> None:
    """The release that serves, the warm one, nginx with it as a backup, and the stores; a way back is still one rename."""
    first = yard.health()["release"]
    yard.change("second")
    second = yard.deploy()["release"]
    for hard in (False, True):
        yard.host.restart(hard=hard)
        assert yard.served() == second
        status = yard.json("status", "vps")
        assert (status["state"], {worker["release"] for worker in status["workers"]}) == ("healthy", {first, second})
        assert finding(yard, "boot")["status"] == "ok"

    yard.host.run("mkdir /tmp/away && mv /srv/chat/run/live/*.sock /tmp/away/")
    assert yard.health()["release"] == first
    yard.host.run("mv /tmp/away/* /srv/chat/run/live/")
    assert yard.health()["release"] == second
    back = yard.events("rollback", "vps", "--yes")
    assert "start" not in {event.get("step") for event in back}
    assert harm(back[-1]) == {}
    yard.host.restart()
    assert yard.served() == first


@pytest.mark.parametrize("offset", ["+1d", "-1d"])
def test_a_clock_that_is_a_day_off(yard: Yard, offset: str) -> None:
    """All that runs on the host but systemd, and Redis (libfaketime stops its allocator), believes in another day."""
    yard.host.run("apt-get -q update; DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends libfaketime")
    yard.host.write("/etc/faketimerc", f"{offset}\n")
    yard.host.run("find /usr/lib -name libfaketimeMT.so.1 >/etc/ld.so.preload")
    yard.host.run("systemctl restart postgresql pm2-chat nginx ssh cron", seconds=200)
    release = yard.served()
    yard.change("on another day")
    deployed = yard.deploy()
    assert harm(deployed) == {}
    assert yard.health()["release"] == deployed["release"] != release
    clock = finding(yard, "clock")
    assert clock["status"] == "warning"
    assert abs(float(clock["message"].split()[0])) > 86000
    assert "apt and certificates" in clock["hint"]
    assert yard.json("status", "vps")["state"] == "healthy"
    assert len(yard.events("logs", "vps", "-n", "5")) > 1
    assert yard.events("rollback", "vps", "--yes")[-1]["release"] == release


@pytest.mark.parametrize("harm", ["systemctl disable -q --now postgresql", "systemctl kill -s KILL postgresql@15-main"])
def test_a_store_that_was_stopped_is_told_and_brought_back(yard: Yard, harm: str) -> None:
    yard.host.run(f"{harm}; timeout 30 sh -c 'while systemctl is-active -q postgresql@15-main; do sleep 0.2; done'")
    assert finding(yard, "postgresql")["status"] == "error"
    assert yard.deploy()["changed"]
    assert yard.host.run("systemctl is-active postgresql@15-main; systemctl is-enabled postgresql").out == "active\nenabled\n"
    assert yard.json("doctor", "vps")["ok"]
    assert not yard.deploy()["changed"]


def test_an_old_pm2_goes_when_it_does_not_run_any_more(yard: Yard) -> None:
    """Another version stands for the old one: PM2 has been started from it, and the tool brings its own."""
    host = yard.host
    (own,) = host.run("cd /srv/chat/tools && ls -d pm2-*").out.split()
    host.run(f"cd /srv/chat/tools && cp -a {own} pm2-old && ln -sfn pm2-old current && systemctl restart pm2-chat")
    host.run("rm /var/lib/chatops/chat/stamps/pm2")
    yard.served()
    for name in ("second", "third"):
        yard.change(name)
        assert harm(yard.deploy()) == {}
        assert host.run("cd /srv/chat/tools && ls -d pm2-*; readlink current").out.split() == [own, "pm2-old", own]
    host.run("systemctl restart pm2-chat")
    yard.served()
    assert not yard.deploy()["changed"]
    yard.change("fourth")
    assert harm(yard.deploy()) == {}
    assert host.run("cd /srv/chat/tools && ls").out.split() == ["current", own]
    host.restart()
    yard.served()


def test_little_memory_is_warned_about(yard: Yard) -> None:
    yard.host.run(
        "sed 's/^MemAvailable:.*/MemAvailable:  204800 kB/' /proc/meminfo >/run/meminfo\n"
        "mount --bind /run/meminfo /proc/meminfo"
    )
    memory = finding(yard, "memory")
    assert (memory["status"], memory["message"]) == ("warning", "200 MiB free, about 480 MiB needed")
    assert "has 200 MiB of memory free" in yard.chatops("plan", "vps").stdout


def test_taken_away_and_put_back(yard: Yard) -> None:
    """Without --purge data, secrets and databases stay; with it nothing of ours does."""
    host = yard.host
    secret = host.read("/srv/chat/shared/secrets/SESSION_SECRET")
    probe = yard.json("probe", "vps", "--seconds", "2")["impact"]
    assert probe["lost"] == 0
    count = "cd / && runuser -u postgres -- psql -qtAX chat -c 'SELECT count(*) FROM messages'"
    stored = int(host.run(count).out)
    assert stored >= probe["messages"] > 0
    yard.chatops("remove", "vps", "--yes")
    assert [line for line in host.processes() if line.startswith("chat: ")] == []
    assert yard.json("status", "vps")["state"] == "absent"
    assert host.run("ls /srv/chat").out.split() == ["runtime", "shared", "state", "tools"]
    assert host.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/health", check=False).out in {"000", "404"}

    yard.deploy()
    assert host.read("/srv/chat/shared/secrets/SESSION_SECRET") == secret
    assert int(host.run(count).out) >= stored
    assert yard.json("status", "vps")["state"] == "healthy"

    yard.chatops("remove", "vps", "--yes", "--purge")
    assert host.run("getent passwd chat", check=False).code != 0
    assert host.run("find / -xdev -name '*chatops*' -o -path '/srv/chat*'").out == ""
    assert json.dumps(host.processes()).count("chat") == 0
    yard.chatops("remove", "vps", "--yes", "--purge")
