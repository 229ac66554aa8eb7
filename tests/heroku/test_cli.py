"""The emulator proved from outside: the real Heroku CLI and the heroku3 library find in it the Heroku they know."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import heroku3
import heroku3.api
import pytest

from tests.heroku.cli import HerokuCli
from tests.heroku.emulator import Emulator, Refuse, running_emulator
from tests.heroku.sources import client, deploy, source
from tests.heroku.waiting import states

pytestmark = [pytest.mark.heroku_cli, pytest.mark.timeout(300)]
PROCFILE = "web: node server.js\nworker: sleep 1000\n"
TWICE = {"size": "standard-1x", "quantity": 2}


@pytest.fixture(scope="module")
def platform() -> Iterator[Emulator]:
    with running_emulator() as heroku:
        yield heroku


@pytest.fixture(scope="module")
def heroku(platform: Emulator, tmp_path_factory: pytest.TempPathFactory) -> HerokuCli:
    return HerokuCli(platform, tmp_path_factory.mktemp("home"))


@pytest.fixture
def app(platform: Emulator) -> Iterator[str]:
    """An empty app."""
    asyncio.run(_create(platform, "chat"))
    yield "chat"
    asyncio.run(_delete(platform, "chat"))


@pytest.fixture
def running_app(platform: Emulator, app: str) -> str:
    """An app with two web dynos that are up on v3, and a release after it."""
    asyncio.run(_deploy(platform, app))
    return app


async def _create(platform: Emulator, name: str) -> None:
    async with client(platform) as api:
        (await api.post("/apps", json={"name": name})).raise_for_status()


async def _delete(platform: Emulator, name: str) -> None:
    async with client(platform) as api:
        await api.delete(f"/apps/{name}")


async def _deploy(platform: Emulator, name: str) -> None:
    async with client(platform) as api:
        assert (await deploy(api, name, source({"Procfile": PROCFILE})))["status"] == "succeeded"
        (await api.patch(f"/apps/{name}/formation/web", json=TWICE)).raise_for_status()
        await api.patch(f"/apps/{name}/config-vars", json={"COLOUR": "red"})
        await states(api, name, "up", "up")


def test_apps(heroku: HerokuCli) -> None:
    assert "dev@example.com" in heroku("auth:whoami").out
    assert "region is eu" in heroku("apps:create talk --region eu --no-remote").err
    assert "talk (eu)" in heroku("apps").out
    info = heroku("apps:info -a talk").out
    assert "Stack:          heroku-26" in info
    assert "Owner:          dev@example.com" in info
    assert "done" in heroku("maintenance:on -a talk").err
    assert "done" in heroku("apps:destroy -a talk --confirm talk").err
    gone = heroku("apps:info -a talk")
    assert (gone.status, "Error ID: not_found" in gone.err) == (2, True)


def test_a_taken_name_is_refused(heroku: HerokuCli, app: str) -> None:
    taken = heroku(f"apps:create {app} --no-remote")
    assert taken.status != 0
    assert "already taken" in taken.err


def test_config(heroku: HerokuCli, app: str) -> None:
    assert "done, v3" in heroku(f"config:set COLOUR=red WORD='two words' -a {app}").err
    assert heroku(f"config:get WORD -a {app}").out == "two words\n"
    assert "done, v4" in heroku(f"config:unset WORD -a {app}").err
    assert "WORD" not in heroku(f"config -a {app}").out


def test_buildpacks(heroku: HerokuCli, app: str) -> None:
    assert "Buildpack set" in heroku(f"buildpacks:set heroku/nodejs -a {app}").out
    assert "heroku/nodejs" in heroku(f"buildpacks -a {app}").out
    assert "cleared" in heroku(f"buildpacks:clear -a {app}").out.lower()


def test_addons(heroku: HerokuCli, app: str) -> None:
    created = heroku(f"addons:create heroku-redis:mini -a {app} --wait")
    assert "as REDIS_URL" in created.out
    assert "max $3/month" in created.err
    listed = heroku(f"addons -a {app}").out
    assert "heroku-redis" in listed
    assert "as REDIS" in listed
    assert "rediss://" in heroku(f"config:get REDIS_URL -a {app}").out
    destroyed = heroku(f"addons:destroy REDIS -a {app} --confirm {app}")
    assert destroyed.status == 0, destroyed.err


def test_ps_scale_and_restart(heroku: HerokuCli, running_app: str) -> None:
    shown = heroku(f"ps -a {running_app}").out
    assert "web (Standard-1X): node server.js (2)" in shown
    assert "web.2: up" in shown
    assert "now running web at 1:Standard-1X" in heroku(f"ps:scale web=1 -a {running_app}").err
    assert "now running web at 2:Standard-1X" in heroku(f"ps:scale web+1 -a {running_app}").err
    assert "web=2:Standard-1X worker=0:Basic" in heroku(f"ps:scale -a {running_app}").out
    for line in ("ps:restart", "ps:restart --dyno-name web.1", "ps:restart --process-type web", "ps:stop --dyno-name web.1"):
        assert "done" in heroku(f"{line} -a {running_app}").err, line
    assert heroku(f"ps:wait -a {running_app}").status == 0


def test_logs(heroku: HerokuCli, running_app: str) -> None:
    lines = heroku(f"logs -a {running_app} -n 100").out
    assert "app[web.1]: listening" in lines
    assert "heroku[web.2]: State changed from starting to up" in lines
    only = heroku(f"logs -a {running_app} --source heroku --dyno-name web.1 -n 5").out.splitlines()
    assert len(only) == 5
    assert all("heroku[web.1]" in line for line in only)


def test_logs_tail(heroku: HerokuCli, platform: Emulator, running_app: str) -> None:
    tail = heroku.tail(f"logs --tail -a {running_app}")
    watchdog = threading.Timer(60, tail.kill)
    watchdog.start()
    try:
        assert tail.stdout is not None
        seen = iter(tail.stdout.readline, "")
        assert any("listening" in line for line in seen)
        platform.call(platform.app(running_app).log.write, "app", "web.1", "said live")
        assert any("said live" in line for line in seen)
    finally:
        watchdog.cancel()
        tail.kill()
        tail.communicate()


def test_releases_and_rollback(heroku: HerokuCli, running_app: str) -> None:
    listed = heroku(f"releases -a {running_app}").out
    assert "Current: v4" in listed
    assert "Deploy abcdef12" in listed
    assert "Eligible for Rollback?: Yes" in heroku(f"releases:info v3 -a {running_app}").out
    assert "no release output" in heroku(f"releases:output v3 -a {running_app}").err
    assert "done, v5" in heroku(f"releases:rollback v3 -a {running_app}").err
    assert "COLOUR" not in heroku(f"config -a {running_app}").out


def test_domains_and_certificates(heroku: HerokuCli, app: str) -> None:
    assert "herokudns.com" in heroku(f"domains:add www.example.com -a {app}").out
    assert "www.example.com" in heroku(f"domains -a {app}").out
    assert "managed by Heroku" in heroku(f"certs:auto:enable -a {app}").out
    assert "www.example.com" in heroku(f"certs:auto -a {app}").out
    assert "done" in heroku(f"domains:remove www.example.com -a {app}").err


def test_drains(heroku: HerokuCli, app: str) -> None:
    assert "Successfully added" in heroku(f"drains:add syslog://logs.example.com:514 -a {app}").out
    assert "syslog://logs.example.com:514 (d." in heroku(f"drains -a {app}").out
    assert "Successfully removed" in heroku(f"drains:remove syslog://logs.example.com:514 -a {app}").out


def test_features(heroku: HerokuCli, app: str) -> None:
    assert "done" in heroku(f"features:enable http-session-affinity -a {app}").err
    assert "done" in heroku(f"labs:enable log-runtime-metrics -a {app}").err
    assert "[+] http-session-affinity" in heroku(f"features -a {app}").out
    assert "done" in heroku(f"features:disable http-session-affinity -a {app}").err


def test_run(heroku: HerokuCli, running_app: str) -> None:
    said = heroku(f"run -a {running_app} --exit-code --no-tty -- 'echo hello $DYNO; sh -c \"exit 3\"'", keys="\n")
    assert "hello run." in said.out
    assert said.status == 3
    assert "echo hi" in heroku(f"run:detached -a {running_app} -- echo hi").err


def test_refusals_reach_the_user(heroku: HerokuCli, platform: Emulator, app: str) -> None:
    platform.inject(Refuse(path="/apps/*/config-vars", status=503, message="down for a while"))
    said = heroku(f"config -a {app}")
    assert said.status != 0
    assert "down for a while" in said.err


def test_the_heroku3_library(platform: Emulator, running_app: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heroku3.api, "HEROKU_URL", platform.api_url)
    connection = heroku3.from_key(platform.token)
    app = connection.apps()[running_app]
    assert app.config().to_dict() == {"COLOUR": "red"}
    app.config()["SIZE"] = "big"
    assert app.process_formation()["web"].quantity == 2
    app.process_formation()["web"].scale(1)
    assert [dyno.type for dyno in app.dynos()] == ["web"]
    assert {release.version for release in app.releases()} == {1, 2, 3, 4, 5}
    assert "heroku[web.1]" in app.get_log(lines=50)
    assert "http-session-affinity" in [feature.name for feature in app.features()]
    assert app.add_domain("heroku3.example.com", None).hostname == "heroku3.example.com"
    app.restart()


def test_the_cache_is_outside_the_checkout(heroku: HerokuCli) -> None:
    assert Path(__file__).parents[2] not in heroku.program.parents
