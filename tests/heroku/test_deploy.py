"""The whole life of an app on the emulator: deployed, left alone, changed, scaled, rolled back, removed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import httpx

from chatops.goals import Remove, Restart, Rollback, Scale
from chatops.model import Generate
from chatops.redact import Secret
from tests.heroku.stage import CANARY, Stage, act, write_app
from tests.heroku.waiting import until

STANDARD = {"web": {"quantity": 2, "size": "standard-1x"}}


def test_first_deploy_then_nothing_to_do(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        first = await stage.deploy()
        assert (first.ok, first.exit_code, first.error) == (True, 0, "")
        async with stage.opened() as target:
            state = await target.inspect()
            assert state.release
            assert state.release.id == first.release
            async with httpx.AsyncClient() as http:
                health = (await http.get(f"{state.url}/health")).json()
        assert health == {"status": "pass", "release": first.release, "text": "one"}
        before = len(stage.calls())
        second = await stage.deploy()
        assert (second.ok, second.changed, second.release) == (True, False, first.release)
        assert len(stage.calls(before)) <= 8

    act(tmp_path, story)


def test_nothing_to_do_stays_cheap_with_everything_named(tmp_path: Path) -> None:
    everything = {
        "addons": ["heroku-redis:mini"], "domains": ["chat.example.com"], "drains": ["https://logs.example.com/in"],
        "buildpacks": ["heroku/nodejs"],
    }  # fmt: skip

    async def story(stage: Stage) -> None:
        assert (await stage.deploy(**everything)).ok
        before = len(stage.calls())
        assert not (await stage.deploy(**everything)).changed
        assert len(stage.calls(before)) <= 8

    act(tmp_path, story)


def test_buildpacks_that_somebody_set_do_not_outlive_a_build(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy(buildpacks=["heroku/nodejs"])
        app = stage.heroku.app("my-chat")
        app.buildpacks = ["https://example.com/nodejs-of-mine"]
        assert (await stage.deploy("two", buildpacks=["heroku/nodejs"])).ok
        assert (app.buildpacks, app.builds[-1].buildpacks) == (["heroku/nodejs"], ["heroku/nodejs"])

    act(tmp_path, story)


def test_new_code_and_new_config_make_one_release_each(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy(env={"LOG_LEVEL": "info", "SESSION_SECRET": Generate(32)})
        app = stage.heroku.app("my-chat")
        made, secret = len(app.releases), app.config["SESSION_SECRET"]
        assert len(secret) >= 32
        assert (await stage.deploy("two", env={"LOG_LEVEL": "debug", "SESSION_SECRET": Generate(32)})).ok
        assert len(app.releases) == made + 2
        assert (app.config["LOG_LEVEL"], app.config["SESSION_SECRET"]) == ("debug", secret)
        assert (await stage.deploy("two", env={"SESSION_SECRET": Generate(32)})).ok
        assert "LOG_LEVEL" not in app.config

    act(tmp_path, story)


def test_config_alone_builds_nothing(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy(env={"LOG_LEVEL": "info"})
        assert (await stage.deploy(env={"LOG_LEVEL": "debug"})).ok
        assert stage.done == ["claim", "config", "dynos", "health"]

    act(tmp_path, story)


def test_rollback_returns_code_and_config(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        first = await stage.deploy(env={"LOG_LEVEL": "info"})
        second = await stage.deploy("two", env={"LOG_LEVEL": "debug"})
        back = await stage.change(Rollback(first.release))
        app = stage.heroku.app("my-chat")
        assert back.ok
        assert app.config["LOG_LEVEL"] == "info"
        async with stage.opened() as target:
            kept = {release.id: release.state for release in (await target.inspect()).releases}
        assert (kept[str(back.release)], kept[str(second.release)], kept[str(first.release)]) == ("current", "bad", "kept")

    act(tmp_path, story)


def test_scale_and_restart(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        assert (await stage.deploy(dynos=STANDARD)).error == ""
        assert (await stage.change(Scale(3), dynos=STANDARD)).ok
        app = stage.heroku.app("my-chat")
        assert sorted(app.dynos) == ["web.1", "web.2", "web.3"]
        before = {name: dyno.id for name, dyno in app.dynos.items()}
        assert (await stage.change(Restart(), dynos=STANDARD)).ok
        assert all(app.dynos[name].id != old for name, old in before.items())

    act(tmp_path, story)


def test_everything_the_file_can_name(tmp_path: Path) -> None:
    named = {
        "region": "eu", "stack": "heroku-24", "buildpacks": ["heroku/nodejs"], "dynos": STANDARD,
        "addons": ["heroku-redis:mini"], "domains": ["chat.example.com"], "drains": ["https://user:pass@logs.example.com/in"],
    }  # fmt: skip

    async def story(stage: Stage) -> None:
        assert (await stage.deploy(**named)).ok
        app = stage.heroku.app("my-chat")
        assert (app.region, app.stack, app.acm, list(app.features)) == (
            "eu", "heroku-24", True, ["log-runtime-metrics", "runtime-dyno-metadata", "preboot"]
        )  # fmt: skip
        assert [addon.plan for addon in app.addons] == ["heroku-redis:mini"]
        assert "REDIS_URL" in app.config
        assert "point DNS: chat.example.com is an ALIAS or CNAME of" in stage.output
        assert "pass@" not in repr(stage.events)
        assert not (await stage.deploy(**named)).changed

    act(tmp_path, story)


def test_remove_takes_the_app_and_only_once(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy()
        assert (await stage.change(Remove())).ok
        assert stage.heroku.cloud.apps == {}
        assert not (await stage.change(Remove())).changed

    act(tmp_path, story)


def test_a_release_phase_is_followed(tmp_path: Path) -> None:
    procfile = "web: node server.js\nrelease: echo migrating the tables\n"

    async def story(stage: Stage) -> None:
        write_app(tmp_path / "app")
        (tmp_path / "app" / "Procfile").write_text(procfile)
        from chatops.goals import Deploy
        from chatops.pack import pack

        assert (await stage.change(Deploy(pack(tmp_path / "app"), {}))).ok
        assert "migrating the tables" in stage.output

    act(tmp_path, story)


def test_a_running_build_can_be_joined(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy()
        deploying = asyncio.create_task(Stage(stage.heroku, stage.folder).deploy("two"))

        async def building() -> bool:
            return any(build.status == "pending" for build in stage.heroku.app("my-chat").builds)

        await until(building)
        async with stage.opened() as target, aclosing(target.attach()) as events:
            joined = [event async for event in events]
        assert (await deploying).ok
        stage.events = joined
        assert stage.done == ["build", "release", "dynos", "health"]
        assert "Building on the" in stage.output

    act(tmp_path, story)


def test_secrets_are_nowhere(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy(env={"API_TOKEN": Secret(CANARY)})
        token = stage.heroku.token
        async with stage.opened() as target:
            state = await target.inspect()
            lines = [line async for line in target.logs(500, False, None)]
        assert any(line.message == "token [redacted]" for line in lines)
        written = "".join(file.read_text() for file in tmp_path.rglob("*.log"))
        for text in (repr(stage.events), repr(state), repr(lines), written):
            assert CANARY not in text
            assert token not in text

    act(tmp_path, story)
