"""The emulated builds and releases: from a source archive to a slug, release phases, rollback."""

import httpx
import pytest

from tests.heroku.emulator import Delay, Emulator, FailAddOn, FailBuild, FailRelease
from tests.heroku.sources import build, deploy, output, source, upload
from tests.heroku.stories import tell
from tests.heroku.waiting import logged, states, until


def test_a_build_becomes_a_release_and_a_dyno_that_serves() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        started = await build(api, "chat", source())
        assert (started["status"], started["release"]) == ("pending", None)
        text = await output(started["output_stream_url"])
        assert "-----> Node.js app detected" in text
        assert "Released v3" in text
        finished = (await api.get(f"/apps/chat/builds/{started['id']}")).json()
        release = (await api.get(f"/apps/chat/releases/{finished['release']['id']}")).json()
        assert (finished["status"], release["version"], release["current"]) == ("succeeded", 3, True)
        [dyno] = await states(api, "chat", "up")
        assert (dyno["name"], dyno["release"]["version"], dyno["size"]) == ("web.1", 3, "Basic")
        page = (await api.get(heroku.app("chat").web_url)).json()
        assert page["env"]["DYNO"] == "web.1"
        assert "HEROKU_RELEASE_VERSION" not in page["env"]

    tell(story)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"package.json": ""}, "No default language could be detected"),
        ({"package.json": "{"}, "Unable to parse package.json"),
        ({"yarn.lock": "x", "package-lock.json": "{}"}, "Two different lockfiles found"),
        ({"package.json": '{"scripts": {"build": "echo broken; exit 3"}}'}, "ended with exit status 3"),
        ({"package.json": '{"dependencies": {"a": "1.0.0"}}', "package-lock.json": "{}"}, "npm ci"),
    ],
)
def test_a_bad_source_fails_the_build(files: dict[str, str], text: str) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        started = await build(api, "chat", source(files))
        assert text in await output(started["output_stream_url"])
        finished = (await api.get(f"/apps/chat/builds/{started['id']}")).json()
        assert (finished["status"], finished["release"]) == ("failed", None)
        assert len(heroku.app("chat").releases) == 2

    tell(story)


def test_a_wrong_checksum_and_a_foreign_address_are_refused() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        started = await build(api, "chat", source(), checksum="SHA256:" + "0" * 64)
        assert "Checksum mismatch" in await output(started["output_stream_url"])
        body = {"source_blob": {"url": "http://example.com/a.tgz"}}
        assert (await api.post("/apps/chat/builds", json=body)).status_code == 422

    tell(story)


def test_a_retired_stack_builds_nothing() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.app("chat").build_stack = "heroku-20"
        blob = {"url": await upload(api, source())}
        refused = await api.post("/apps/chat/builds", json={"source_blob": blob})
        assert refused.status_code == 422
        assert "heroku-20 is end-of-life" in refused.json()["message"]
        assert (await api.patch("/apps/chat", json={"build_stack": "heroku-26"})).json()["build_stack"]["name"] == "heroku-26"

    tell(story)


def test_a_wrapped_source_and_a_slugignore_are_understood() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        archive = source({".slugignore": "*.md\n", "README.md": "no", "Procfile": ""}, prefix="app-main/")
        assert (await deploy(api, "chat", archive))["status"] == "succeeded"
        slug = heroku.app("chat").slugs[0]
        assert slug.process_types == {"web": "npm start"}
        assert not (slug.folder / "README.md").exists()

    tell(story)


def test_builds_of_one_app_wait_for_each_other_and_can_be_cancelled() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        slow = source({"package.json": '{"scripts": {"build": "sleep 30"}}'})
        first, second = await build(api, "chat", slow), await build(api, "chat", source())
        cancelled = (await api.delete(f"/apps/chat/builds/{first['id']}")).json()
        assert cancelled["status"] == "failed"
        await output(second["output_stream_url"])
        assert [each.status for each in heroku.app("chat").builds] == ["failed", "succeeded"]

    tell(story)


def test_a_release_phase_decides_whether_a_release_becomes_current() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await deploy(api, "chat", source())
        phase = {"Procfile": "web: node server.js\nrelease: echo migrating; exit $BREAK\n"}
        await api.patch("/apps/chat/config-vars", json={"BREAK": "1"})
        await deploy(api, "chat", source(phase))
        failed = heroku.app("chat").releases[-1]
        answer = (await api.get("/apps/chat/releases/5")).json()
        assert await output(answer["output_stream_url"]) == "migrating\n"
        assert (failed.status, heroku.app("chat").current) == ("failed", heroku.app("chat").releases[3])
        await api.patch("/apps/chat/config-vars", json={"BREAK": "0"})
        await until(lambda: _current(api, 6))

    tell(story)


async def _current(api: httpx.AsyncClient, version: int) -> bool:
    return bool((await api.get(f"/apps/chat/releases/{version}")).json()["current"])


def test_rollback_restores_slug_and_config_vars() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await api.patch("/apps/chat/config-vars", json={"COLOUR": "red"})
        await deploy(api, "chat", source())
        await api.patch("/apps/chat/config-vars", json={"COLOUR": "blue"})
        back = (await api.post("/apps/chat/releases", json={"release": "v4"})).json()
        assert (back["version"], back["description"]) == (6, "Rollback to v4")
        assert (await api.get("/apps/chat/config-vars")).json() == {"COLOUR": "red"}
        assert (await api.post("/apps/chat/releases", json={"release": "v1"})).status_code == 422

    tell(story)


def test_builds_releases_and_add_ons_fail_by_request() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.inject(Delay(method="POST", path="/apps/*/builds", seconds=0.1))
        heroku.inject(FailBuild(message="the disk is full"))
        assert (await deploy(api, "chat", source()))["status"] == "failed"
        heroku.inject(FailRelease())
        assert (await deploy(api, "chat", source()))["status"] == "succeeded"
        await logged(heroku, "chat", "Release v3 command failed with exit status 1")
        heroku.inject(FailAddOn())
        await api.post("/apps/chat/addons", json={"plan": "heroku-redis:mini"})
        await until(lambda: _state(api, "deprovisioned"))

    tell(story)


async def _state(api: httpx.AsyncClient, state: str) -> bool:
    return bool((await api.get("/apps/chat/addons")).json()[0]["state"] == state)


def test_a_deleted_app_ends_with_everything_in_it() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await deploy(api, "chat", source())
        await states(api, "chat", "up")
        url, address = heroku.app("chat").web_url, await upload(api, source())
        await api.delete("/apps/chat")
        assert (await api.get("/apps/chat")).status_code == 404
        assert (await api.post("/apps/chat/builds", json={"source_blob": {"url": address}})).status_code == 404
        with pytest.raises(httpx.ConnectError):
            await api.get(url)

    tell(story)
