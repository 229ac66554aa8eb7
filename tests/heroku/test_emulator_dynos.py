"""The emulated dynos: formation rules, environment, signals, crashes, metrics, one-off dynos; and add-ons that are real."""

import asyncio
import json
import re
import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.heroku.emulator import Crash, Emulator
from tests.heroku.sources import deploy, source
from tests.heroku.stories import tell
from tests.heroku.waiting import logged, states, until
from tests.needs import need
from tests.servers import POSTGRES_BIN


def test_formation_knows_the_rules_of_dyno_sizes() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        assert (await api.patch("/apps/chat/formation/web", json={"quantity": 1})).status_code == 404
        await deploy(api, "chat", source({"Procfile": "web: node server.js\nworker: sleep 100\n"}))
        for update in ({"quantity": 2}, {"quantity": "x"}, {"size": "Tiny"}, {"quantity": -1}):
            assert (await api.patch("/apps/chat/formation/web", json=update)).status_code == 422, update
        mixed = {"updates": [{"type": "web", "size": "standard-1x"}, {"type": "worker", "quantity": 1}]}
        assert (await api.patch("/apps/chat/formation", json=mixed)).status_code == 422
        changed = await api.patch("/apps/chat/formation/web", json={"quantity": "+1", "dyno_size": {"name": "standard-2x"}})
        assert (changed.json()["quantity"], changed.json()["size"]) == (2, "Standard-2X")
        dynos = await states(api, "chat", "up", "up")
        assert [dyno["size"] for dyno in dynos] == ["Standard-2X", "Standard-2X"]

    tell(story)


def test_metadata_is_there_for_apps_that_asked() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await api.patch("/apps/chat/features/runtime-dyno-metadata", json={"enabled": True})
        await deploy(api, "chat", source())
        await states(api, "chat", "up")
        env = (await api.get(heroku.app("chat").web_url)).json()["env"]
        assert (env["HEROKU_RELEASE_VERSION"], env["HEROKU_APP_NAME"]) == ("v3", "chat")
        assert env["HEROKU_SLUG_COMMIT"] == "abcdef1234"

    tell(story)


def test_a_dyno_gets_the_config_vars_of_its_release() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await api.patch("/apps/chat/config-vars", json={"GREETING": 'it\'s "fine" $HOME'})
        answer = await api.get(heroku.app("chat").web_url)
        assert json.loads(answer.text)["env"]["GREETING"] == 'it\'s "fine" $HOME'

    tell(story, serving=True)


def test_a_dyno_that_ignores_sigterm_is_killed() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        stubborn = "setInterval(() => {}, 1000); process.on('SIGTERM', () => {}); console.log('ready');"
        await deploy(api, "chat", source({"server.js": stubborn, "Procfile": "web: sleep 0\nworker: node server.js\n"}))
        await api.patch("/apps/chat/formation", json={"updates": [{"type": "web", "quantity": 0}]})
        await api.patch("/apps/chat/formation/worker", json={"quantity": 1})
        await logged(heroku, "chat", "app[worker.1]: ready")
        await api.patch("/apps/chat/formation/worker", json={"quantity": 0})
        await logged(heroku, "chat", "Error R12 (Exit timeout)")
        await logged(heroku, "chat", "heroku[worker.1]: Process exited with status 137")

    tell(story, kill=0.5)


def test_a_web_dyno_that_binds_no_port_is_killed() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await deploy(api, "chat", source({"server.js": "setInterval(() => {}, 1000)"}))
        await logged(heroku, "chat", "Error R10 (Boot timeout)")
        await states(api, "chat", "crashed")

    tell(story, boot=0.5)


def test_a_crash_restarts_once_at_once_and_then_later() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.inject(Crash(times=2, status=7))
        await deploy(api, "chat", source())
        await logged(heroku, "chat", "Process exited with status 7")
        await states(api, "chat", "crashed")
        answer = await api.get(heroku.app("chat").web_url)
        assert answer.status_code == 503
        assert "code=H10" in await logged(heroku, "chat", "heroku[router]")

    tell(story, crash_cooldown=600)


def test_runtime_metrics_come_to_those_who_asked() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await api.patch("/apps/chat/features/log-runtime-metrics", json={"enabled": True})
        await deploy(api, "chat", source())
        line = await logged(heroku, "chat", "sample#memory_total=")
        assert re.search(
            r"source=web\.1 dyno=heroku\.\d+\.[0-9a-f-]{36} sample#memory_total=\d+\.\d\dMB .*memory_quota=512\.00MB", line
        )
        assert re.search(r"load_avg_1m=\d+\.\d\d sample#load_avg_5m=\d", await logged(heroku, "chat", "sample#load_avg_1m="))

    tell(story, metrics=0.3)


async def rendezvous(heroku: Emulator, url: str, keys: bytes) -> str:
    """Comes to a one-off dyno as its client, types `keys`, reads to the end."""
    place = urlsplit(url)
    trust = ssl.create_default_context(cafile=str(heroku.ca_file))
    reader, writer = await asyncio.open_connection(place.hostname, place.port, ssl=trust)
    writer.write(place.path[1:].encode() + b"\r\n")
    assert await reader.readline() == b"rendezvous\r\n"
    writer.write(keys)
    text = (await reader.read()).decode()
    writer.close()
    return text


@pytest.mark.parametrize(
    ("options", "keys", "answer"),
    [
        ({"force_no_tty": True}, b"hello\x04", "run.9 hello|exit 3\n"),
        ({"env": {"COLUMNS": "133"}}, b"hello\n", "hello\r\nrun.9 hello|exit 3\r\n"),
    ],
)
def test_one_off_dynos_meet_their_client_over_tls(options: dict[str, Any], keys: bytes, answer: str) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        command = "read word; echo ${DYNO%%[0-9]*}9 $word'|exit' 3; exit 3"
        dyno = (await api.post("/apps/chat/dynos", json={"command": command, "attach": True, **options})).json()
        assert await rendezvous(heroku, dyno["attach_url"], keys) == answer
        await logged(heroku, "chat", f"heroku[{dyno['name']}]: Process exited with status 3")
        assert dyno["name"] not in heroku.app("chat").dynos

    tell(story, serving=True)


def test_a_stranger_to_the_certificate_or_the_secret_learns_nothing() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        dyno = (await api.post("/apps/chat/dynos", json={"command": "env", "attach": True})).json()
        place = urlsplit(dyno["attach_url"])
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(place.hostname, place.port, ssl=ssl.create_default_context())
        assert await rendezvous(heroku, dyno["attach_url"] + "x", b"") == ""

    tell(story, serving=True)


def test_detached_dynos_write_to_the_log_and_may_not_live_for_ever() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        body = {"command": "echo $WORD; sleep 60", "env": {"WORD": "hello"}, "time_to_live": 1}
        dyno = (await api.post("/apps/chat/dynos", json=body)).json()
        await logged(heroku, "chat", f"app[{dyno['name']}]: hello")
        await logged(heroku, "chat", f"heroku[{dyno['name']}]: State changed from up to complete")

    tell(story, serving=True)


def test_redis_and_postgresql_are_real_and_speak_tls() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        for plan in ("heroku-redis:mini", "heroku-postgresql:essential-0"):
            answer = (await api.post("/apps/chat/addons", json={"plan": plan})).json()
            assert (answer["state"], answer["config_vars"]) == ("provisioning", [])
        await until(lambda: _provisioned(api))
        config = (await api.get("/apps/chat/config-vars")).json()
        assert config["REDIS_URL"].startswith("rediss://:")
        assert config["DATABASE_URL"].startswith("postgres://u4pp:")
        await _asked(config["REDIS_URL"], config["DATABASE_URL"])
        servers = [addon.server.process for addon in heroku.app("chat").addons if addon.server]
        assert (await api.delete("/apps/chat/addons/" + heroku.app("chat").addons[0].name)).status_code == 200
        assert "REDIS_URL" not in (await api.get("/apps/chat/config-vars")).json()
        await api.delete("/apps/chat")
        assert [server.popen.poll() is not None for server in servers] == [True, True]

    tell(story)


async def _asked(redis: str, database: str) -> None:
    """Both answer over TLS to those who have the password, and in plain to nobody."""
    place = urlsplit(redis)
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(place.hostname, place.port, ssl=trust)
    writer.write(f"AUTH {place.password}\r\nPING\r\n".encode())
    assert [await reader.readline(), await reader.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    writer.close()
    psql = need("psql", "postgresql", POSTGRES_BIN)
    for mode, status in (("require", 0), ("disable", 2), ("verify-full", 2)):
        ask = await asyncio.create_subprocess_exec(psql, f"{database}?sslmode={mode}", "-qc", "select 1", stdout=-3, stderr=-3)
        assert await ask.wait() == status, mode


async def _provisioned(api: httpx.AsyncClient) -> bool:
    return all(addon["state"] == "provisioned" for addon in (await api.get("/apps/chat/addons")).json())
