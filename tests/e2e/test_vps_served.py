"""What a server of one's own shows the world, what it keeps to itself, and how it keeps its books."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from tests.e2e.yard import Yard

pytestmark = pytest.mark.timeout(900)
ACCESS = "/var/log/nginx/chatops-chat.access.log"
ERRORS = "/var/log/nginx/chatops-chat.error.log"
SITE = "/etc/nginx/conf.d/chatops-chat.conf"
LINES = 120


def ask(yard: Yard, path: str, **headers: str) -> tuple[int, Mapping[str, str], str]:
    """Status, headers (names in lower case) and body of what a stranger gets."""
    link = http.client.HTTPConnection(yard.host.address, yard.host.ports[80], timeout=10)
    link.request("GET", path, headers=headers)
    answer = link.getresponse()
    named = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, named, answer.read().decode()


def test_what_is_for_the_host_alone_is_closed(kept_yard: Yard) -> None:
    """Also to somebody who has the token."""
    kept_yard.secrets["OPS_TOKEN"] = {"generate": 32}
    kept_yard.configure()
    assert kept_yard.deploy()["ok"]
    token = kept_yard.host.read("/srv/chat/shared/secrets/OPS_TOKEN").decode()
    bearer = {"Authorization": f"Bearer {token}"}
    inside = kept_yard.host.run(
        f"curl -s --unix-socket /srv/chat/run/live/0.sock -H 'Authorization: Bearer {token}' http://x/health"
    ).out
    assert "checks" in json.loads(inside)
    assert ask(kept_yard, "/metrics", **bearer)[0] == 404
    assert ask(kept_yard, "/.chatops/generation")[0] == 404
    status, _, body = ask(kept_yard, "/health", **bearer)
    assert status == 200
    assert set(json.loads(body)) == {"status", "release"}


def test_every_answer_has_an_id_and_is_in_the_books(kept_yard: Yard) -> None:
    _, headers, _ = ask(kept_yard, "/health?books", **{"User-Agent": 'a "quoted" \\ one'})
    assert (headers["x-content-type-options"], headers["referrer-policy"], headers["x-frame-options"]) == (
        "nosniff",
        "no-referrer",
        "DENY",
    )
    assert headers["server"] == "nginx"
    lines = [json.loads(line) for line in kept_yard.host.read(ACCESS).decode().splitlines()]
    [line] = [line for line in lines if line["uri"] == "/health" and line["request_id"] == headers["x-request-id"]]
    assert (line["status"], line["user_agent"]) == ("200", 'a "quoted" \\ one')
    assert line["upstream"].startswith("unix:/srv/chat/run/")


@pytest.mark.faults
def test_a_site_with_which_nginx_does_not_answer_is_taken_back(kept_yard: Yard) -> None:
    """nginx takes it, and somebody else's server gets the requests to this host itself; users notice nothing of that."""
    host = kept_yard.host
    theirs = "server { listen 127.0.0.1:80; location / { return 200 theirs; } }"
    host.run(f"sed -i 's/return 200 \"[0-9a-f]*/&0ld/' {SITE}; echo '{theirs}' >/etc/nginx/conf.d/theirs.conf; nginx -s reload")
    before = host.read(SITE)
    failed = kept_yard.chatops("deploy", "vps", "--yes", code=4)
    assert "nginx does not answer with the new site; the one before comes back" in failed.stderr
    assert host.read(SITE) == before
    assert ask(kept_yard, "/health")[0] == 200
    host.run("rm /etc/nginx/conf.d/theirs.conf")
    assert kept_yard.deploy()["ok"]
    assert b"0ld" not in host.read(SITE)


def test_stores_are_for_this_host_and_this_app(kept_yard: Yard) -> None:
    host = kept_yard.host
    ears = [line.split()[3] for line in host.run("ss -Hltn").out.splitlines()]
    assert {ear.rpartition(":")[0] for ear in ears if ear.rpartition(":")[2] in {"6379", "5432"}} <= {"127.0.0.1", "[::1]"}
    assert "NOAUTH" in host.run("redis-cli ping").out
    assert host.run("runuser -u nobody -- psql -U chat chat -c 'SELECT 1'", check=False).code != 0
    urls = host.run("stat -c '%a %U' /srv/chat/shared/secrets/*").out.split("\n")[:-1]
    assert set(urls) == {"600 chat"}


def test_the_app_has_no_rights_and_pm2_keeps_its_home_shut(kept_yard: Yard) -> None:
    host = kept_yard.host
    assert host.run("passwd -S chat").out.split()[1] == "L"
    assert host.run("getent passwd chat").out.strip().endswith(":/usr/sbin/nologin")
    assert "not allowed" in host.run("sudo -l -U chat").out
    assert host.run("stat -c '%a %U' /srv/chat/pm2 /srv/chat/pm2/dump.pm2").out.split("\n")[:-1] == ["700 chat", "600 chat"]
    daemon = "/proc/$(cat /srv/chat/pm2/pm2.pid)"
    assert host.run(f"sed -n 's/^Umask:[[:space:]]*//p' {daemon}/status").out.strip() == "0077"
    seen = {line.partition("=")[0] for line in host.run(f"tr '\\0' '\\n' <{daemon}/environ").out.splitlines()}
    usual = "HOME PM2_HOME PATH PWD USER LOGNAME SHELL LANG INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID PIDFILE"
    of_the_unit = "PM2_CONCURRENT_ACTIONS"
    of_pm2 = "SILENT PM2_USAGE NODE_CHANNEL_FD NODE_CHANNEL_SERIALIZATION_MODE"
    of_the_machine = {line.partition("=")[0] for line in host.run("systemctl show-environment").out.splitlines()}
    assert seen <= {*usual.split(), of_the_unit, *of_pm2.split(), *of_the_machine}


@pytest.mark.faults
def test_logs_are_rotated_and_none_is_missed(kept_yard: Yard) -> None:
    """By the system's own logrotate, while somebody reads along."""
    host = kept_yard.host
    file = host.run("ls /srv/chat/logs/*-0.out.log | tail -n 1").out.strip()
    reader = kept_yard.start("logs", "vps", "-f", "-n", "0", "--json", "--until-match", "the last line")
    assert reader.stdout
    host.run(f"echo starting >>{file}; sleep 5", user="chat")
    said = f"for n in $(seq {LINES}); do echo line-$n. >>{file}; sleep 0.05; done"
    writer = f"systemd-run --quiet --unit=writer --uid=chat sh -c {json.dumps(said).replace('$', chr(92) + '$')}"
    host.run(writer)
    for _ in range(3):
        host.run("sleep 1.5; logrotate -f /etc/logrotate.d/chatops-chat")
    host.run(f"while systemctl is-active --quiet writer; do sleep 0.2; done; echo the last line >>{file}", user="root")
    out, err = reader.communicate(timeout=60)
    assert reader.returncode == 0, err
    seen = [json.loads(line)["message"] for line in out.splitlines()]
    assert [text for text in seen if text.startswith("line-")] == [f"line-{n}." for n in range(1, LINES + 1)]
    names = host.run("ls /srv/chat/logs").out
    assert ".out.log.1" in names
    assert ".out.log.2.gz" in names


def test_errors_of_nginx_are_as_old_as_they_say(kept_yard: Yard) -> None:
    """In the host's own zone; `--since` leaves out what was there before."""
    host, zone = kept_yard.host, "/usr/share/zoneinfo/Asia/Kolkata"
    say = "date '+%Y/%m/%d %H:%M:%S [error] 1#1:"
    before = host.run("readlink -f /etc/localtime").out.strip()
    host.run(f"ln -sf {zone} /etc/localtime; ({say} old' -d '20 days ago'; {say} young' -d '1 minute ago') >>{ERRORS}")
    lines = kept_yard.events("logs", "vps", "--since", "10m")
    host.run(f"ln -sf {before} /etc/localtime")
    [line] = [line for line in lines if "1#1" in line.get("message", "")]
    assert (line["message"], line["level"]) == ("[error] 1#1: young", "error")
    age = datetime.now(UTC) - datetime.fromisoformat(line["time"])
    assert 50 < age.total_seconds() < 120


@pytest.mark.faults
def test_a_worker_that_ends_again_and_again_is_shown_as_crashed(kept_yard: Yard) -> None:
    """PM2 tries it again every 15 s at last; it comes back by itself when it can."""
    host = kept_yard.host
    pid = json.loads(host.read("/srv/chat/run/live/0.pid.json"))["pid"]
    host.run(f"cd /srv/chat/current && mv server.js gone.js && kill -KILL {pid}")
    states = set[str]()
    while "crashed" not in states:
        snapshot = json.loads(kept_yard.chatops("monitor", "vps", "--once", "--json", code=None).stdout)["targets"][0]
        states = {worker["state"] for worker in snapshot["workers"]}
    assert "up" in states
    well = "curl -sf --unix-socket /srv/chat/run/live/0.sock http://x/health"
    host.run(f"cd /srv/chat/current && mv gone.js server.js; timeout 60 sh -c 'until {well}; do sleep 0.2; done'")


def test_every_change_is_in_the_history(kept_yard: Yard) -> None:
    kept_yard.change(f"history {time.time()}")
    finished = kept_yard.deploy()
    lines = kept_yard.host.read("/srv/chat/state/history.ndjson").decode().splitlines()
    switch, last = map(json.loads, lines[-2:])
    assert (switch["what"], switch["who"], switch["release"]) == ("switch", last["who"], finished["release"])
    assert switch["time"] <= last["time"]
    assert (last["what"], last["release"], last["ok"]) == ("deploy", finished["release"], True)
    assert "@" in last["who"]
    assert last["impact"]["requests"] > 0
    assert last["time"].endswith("Z")


def test_a_bad_release_is_marked_and_passed_over(kept_yard: Yard) -> None:
    kept_yard.change(f"good {time.time()}")
    good = kept_yard.deploy()["release"]
    bad = kept_yard.deploy_dead()["release"]
    states = {one["id"]: one["state"] for one in kept_yard.json("releases", "vps")["releases"]}
    assert (states[bad], states[good]) == ("bad", "current")
    kept_yard.change(f"better {time.time()}")
    kept_yard.deploy()
    assert kept_yard.events("rollback", "vps", "--yes")[-1]["release"] == good


@pytest.mark.faults
def test_stores_that_others_run_and_none(kept_yard: Yard) -> None:
    """Given as URLs; a password in one is as secret as any."""
    host, before = kept_yard.host, kept_yard.health()["release"]
    kept_yard.block |= {"redis": "none", "database": "postgres://nobody:pa55-word@127.0.0.1:5432/nothing"}
    kept_yard.configure()
    refused = kept_yard.events("deploy", "vps", "--yes", code=5)
    assert "/health answers 503" in refused[-1]["error"]
    assert kept_yard.health()["release"] == before
    role = "CREATE ROLE other LOGIN PASSWORD 'pa55-word'"
    host.run(f"cd / && runuser -u postgres -- psql -q -c \"{role}\" -c 'CREATE DATABASE other OWNER other'")
    kept_yard.block |= {"database": "postgres://other:pa55-word@127.0.0.1:5432/other"}
    kept_yard.configure()
    said = kept_yard.chatops("deploy", "vps", "--yes", "--debug")
    assert "pa55-word" not in said.stdout + said.stderr
    shown = kept_yard.chatops("run", "vps", "--", "node", "-p", "[process.env.DATABASE_URL, process.env.REDIS_URL]").stdout
    assert "postgres://other:pa55-word@127.0.0.1:5432/other" in shown
    assert "undefined" in shown
    assert host.run("cd / && runuser -u postgres -- psql -qtAX other -c '\\dt'").out.strip()
    kept_yard.block["database"] = "none"
    kept_yard.configure()
    assert kept_yard.deploy()["ok"]
    assert kept_yard.json("status", "vps")["state"] == "healthy"
