"""The emulated platform keeps Heroku's promises: API, uploads, builds, releases, dynos, add-ons, faults."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.heroku.emulator import Crash, Delay, Drop, Emulator, FailAddOn, FailBuild, FailRelease, Limits, Refuse, schema
from tests.heroku.emulator.errors import MESSAGES
from tests.heroku.sources import build, client, deploy, output, source, upload
from tests.heroku.waiting import logged, states, until

Story = Callable[[Emulator, httpx.AsyncClient], Awaitable[None]]


def tell(story: Story, **options: object) -> None:
    """Runs a story on an emulator of its own, in which the app `chat` exists."""

    async def run() -> None:
        async with Emulator(**options) as heroku, client(heroku) as api:  # type: ignore[arg-type]
            assert (await api.post("/apps", json={"name": "chat"})).status_code == 201
            await story(heroku, api)

    asyncio.run(asyncio.wait_for(run(), 90))


def releases_of(answer: httpx.Response) -> list[tuple[int, str, str]]:
    return [(release["version"], release["description"], release["status"]) for release in answer.json()]


def test_answers_are_held_to_the_official_schema() -> None:
    if schema.folder() is None:
        pytest.skip(f"the official schema is not here; set {schema.FOLDER_VARIABLE} to the folder that has it")

    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.app("chat").region = "Nowhere at all"
        heroku.app("chat").maintenance = "no"  # type: ignore[assignment]
        await api.get("/apps/chat")
        assert heroku.front.violations == ["GET /apps/chat: maintenance: 'no' is not of type 'boolean'"]
        heroku.front.violations.clear()

    tell(story)


@pytest.mark.parametrize(
    ("headers", "status", "id"),
    [
        ({"Authorization": "Bearer wrong"}, 401, "unauthorized"),
        ({"Authorization": ""}, 401, "unauthorized"),
        ({"Accept": "*/*"}, 406, "not_acceptable"),
        ({"Accept": "application/vnd.heroku+json; version=2"}, 406, "not_acceptable"),
        ({"Range": "version ..; max=5000"}, 416, "requested_range_not_satisfiable"),
        ({"Range": "colour .."}, 416, "requested_range_not_satisfiable"),
    ],
)
def test_bad_headers_are_refused(headers: dict[str, str], status: int, id: str) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        answer = await api.get("/apps/chat/releases", headers=headers)
        assert (answer.status_code, answer.json()["id"]) == (status, id)

    tell(story)


@pytest.mark.parametrize("variant", ["3", "3.sdk", "3.cedar-acm", "3.cancel-build"])
def test_every_variant_of_version_3_is_served(variant: str) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        answer = await api.get("/apps/chat", headers={"Accept": f"application/vnd.heroku+json; version={variant}"})
        assert answer.status_code == 200

    tell(story)


def test_basic_authentication_request_ids_and_etags() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        answer = await api.get("/apps/chat", headers={"Request-Id": "mine"}, auth=("", heroku.token))
        assert answer.headers["request-id"].startswith("mine,")
        again = await api.get("/apps/chat", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304

    tell(story)


@pytest.mark.parametrize("spelling", ["version ..; max=2, order=desc", "version ..; order=desc,max=2"])
def test_lists_are_paged_by_range(spelling: str) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        for number in range(3):
            await api.patch("/apps/chat/config-vars", json={"N": str(number)})
        first = await api.get("/apps/chat/releases", headers={"Range": spelling})
        second = await api.get("/apps/chat/releases", headers={"Range": first.headers["next-range"]})
        last = await api.get("/apps/chat/releases", headers={"Range": second.headers["next-range"]})
        pages = [[release["version"] for release in answer.json()] for answer in (first, second, last)]
        assert pages == [[5, 4], [3, 2], [1]]
        assert [answer.status_code for answer in (first, second, last)] == [206, 206, 200]

    tell(story)


def test_tokens_run_out_and_come_back() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        answers = [await api.get("/account") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert answers[2].json()["id"] == "rate_limit"
        assert (await api.get("/account/rate-limits")).json() == {"remaining": 0}
        await until(lambda: _is(api, "/account", 200))

    tell(story, limits=Limits(rate_tokens=3, rate_per_minute=60))


async def _is(api: httpx.AsyncClient, path: str, status: int) -> bool:
    return (await api.get(path)).status_code == status


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"name": "chat"}, 422, "already taken"),
        ({"name": "theirs"}, 422, "already taken"),
        ({"name": "No"}, 422, "must start with a letter"),
        ({"name": "other", "region": "mars"}, 404, "region"),
        ({"name": "other", "stack": "heroku-20"}, 422, "end-of-life"),
    ],
)
def test_bad_apps_are_refused(body: dict[str, str], status: int, text: str) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.take_name("theirs")
        answer = await api.post("/apps", json=body)
        assert answer.status_code == status
        assert text in answer.json()["message"]
        assert (await api.get("/apps/theirs")).status_code == 403

    tell(story)


def test_an_unverified_account_gets_no_app_and_no_add_on() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.account.verified = False
        for path, body in (("/apps", {"name": "more"}), ("/apps/chat/addons", {"plan": "heroku-redis:mini"})):
            answer = await api.post(path, json=body)
            assert (answer.status_code, answer.json()["id"]) == (402, "verification_required")

    tell(story)


def test_config_vars_make_a_release_only_when_they_change() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await api.patch("/apps/chat/config-vars", json={"A": "1", "B": "2"})
        await api.patch("/apps/chat/config-vars", json={"A": "1"})
        answer = await api.patch("/apps/chat/config-vars", json={"B": None})
        assert answer.json() == {"A": "1"}
        assert (await api.get("/apps/chat/releases/v3/config-vars")).json() == {"A": "1", "B": "2"}
        assert releases_of(await api.get("/apps/chat/releases"))[2:] == [
            (3, "Set A, B config vars", "succeeded"),
            (4, "Remove B config vars", "succeeded"),
        ]

    tell(story)


async def _pieces() -> object:
    yield b"some"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"headers": {"Content-Type": "application/octet-stream"}}, 403, "SignatureDoesNotMatch"),
        ({"headers": {"Authorization": "Bearer secret"}}, 400, "InvalidArgument"),
        ({"content": "chunked"}, 501, "NotImplemented"),
        ({"signature": "forged"}, 403, "SignatureDoesNotMatch"),
    ],
)
def test_uploads_are_as_strict_as_s3(change: dict[str, object], status: int, code: str) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        url = (await api.post("/sources")).json()["source_blob"]["put_url"]
        if "signature" in change:
            url = url.rsplit("=", 1)[0] + "=forged"
        content = _pieces() if change.get("content") else b"some"
        async with httpx.AsyncClient() as plain:
            answer = await plain.put(url, content=content, headers=change.get("headers"))  # type: ignore[arg-type]
        assert answer.status_code == status
        assert code in answer.text

    tell(story)


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


def test_metadata_is_there_for_apps_that_asked() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await api.patch("/apps/chat/features/runtime-dyno-metadata", json={"enabled": True})
        await deploy(api, "chat", source())
        await states(api, "chat", "up")
        env = (await api.get(heroku.app("chat").web_url)).json()["env"]
        assert (env["HEROKU_RELEASE_VERSION"], env["HEROKU_APP_NAME"]) == ("v3", "chat")
        assert env["HEROKU_SLUG_COMMIT"] == "abcdef1234"

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

    tell(story, limits=Limits(kill=0.5))


def test_a_web_dyno_that_binds_no_port_is_killed() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        await deploy(api, "chat", source({"server.js": "setInterval(() => {}, 1000)"}))
        await logged(heroku, "chat", "Error R10 (Boot timeout)")
        await states(api, "chat", "crashed")

    tell(story, limits=Limits(boot=0.5))


def test_a_crash_restarts_once_at_once_and_then_later() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.inject(Crash(times=2, status=7))
        await deploy(api, "chat", source())
        await logged(heroku, "chat", "Process exited with status 7")
        await states(api, "chat", "crashed")
        answer = await api.get(heroku.app("chat").web_url)
        assert answer.status_code == 503
        assert "code=H10" in await logged(heroku, "chat", "heroku[router]")

    tell(story, limits=Limits())


def test_redis_and_postgresql_are_real_and_speak_tls() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        for plan in ("heroku-redis:mini", "heroku-postgresql:essential-0"):
            answer = (await api.post("/apps/chat/addons", json={"plan": plan})).json()
            assert (answer["state"], answer["config_vars"]) == ("provisioning", [])
        await until(lambda: _provisioned(api))
        config = (await api.get("/apps/chat/config-vars")).json()
        assert config["REDIS_URL"].startswith("rediss://:")
        assert config["DATABASE_URL"].startswith("postgres://u4pp:")
        servers = [addon.server.process for addon in heroku.app("chat").addons if addon.server]
        assert (await api.delete("/apps/chat/addons/" + heroku.app("chat").addons[0].name)).status_code == 200
        assert "REDIS_URL" not in (await api.get("/apps/chat/config-vars")).json()
        await api.delete("/apps/chat")
        assert [server.popen.poll() is not None for server in servers] == [True, True]

    tell(story)


async def _provisioned(api: httpx.AsyncClient) -> bool:
    return all(addon["state"] == "provisioned" for addon in (await api.get("/apps/chat/addons")).json())


@pytest.mark.parametrize("status", [401, 402, 403, 404, 409, 422, 429, 503])
def test_refusals_can_be_injected(status: int) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.inject(Refuse(method="GET", path="/apps/*", status=status, skip=1, times=2))
        answers = [await api.get("/apps/chat") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, status, status, 200]
        assert answers[1].json()["id"] == MESSAGES[status][0]

    tell(story)


def test_an_answer_can_be_lost_before_or_after_the_deed() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        for done in (False, True):
            heroku.inject(Drop(method="POST", path="/apps", done=done))
            with pytest.raises(httpx.RemoteProtocolError):
                await api.post("/apps", json={"name": "lost"})
            assert ("lost" in heroku.cloud.apps) is done

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


def test_faults_can_be_injected_over_http() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        assert (await api.post("/__inject", json={"fault": "Nothing"})).status_code == 422
        await api.post("/__inject", json={"fault": "Refuse", "status": 503, "times": None})
        assert (await api.get("/account")).status_code == 503
        await api.post("/__inject", json={})
        assert (await api.get("/account")).status_code == 200

    tell(story)


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
