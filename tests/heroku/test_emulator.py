"""The emulated API: the official schema, authentication, paging, rate limits, apps, config vars, uploads, injected faults."""

import httpx
import pytest

from tests.heroku.emulator import Drop, Emulator, Refuse, schema
from tests.heroku.emulator.errors import MESSAGES
from tests.heroku.stories import tell
from tests.heroku.waiting import until


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

    tell(story, rate_tokens=3, rate_per_minute=60)


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


def releases_of(answer: httpx.Response) -> list[tuple[int, str, str]]:
    return [(release["version"], release["description"], release["status"]) for release in answer.json()]


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


@pytest.mark.parametrize("status", [401, 402, 403, 404, 409, 422, 429, 503])
def test_refusals_can_be_injected(status: int) -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        heroku.inject(Refuse(method="GET", path="/apps/*", status=status, skip=1, times=2))
        answers = [await api.get("/apps/chat") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, status, status, 200]
        assert answers[1].json()["id"] == MESSAGES[status][0]

    tell(story)


def test_uploads_streams_and_logs_fail_where_they_are_named() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        for method, path in (("PUT", "/_source/*"), ("GET", "/streams/*"), ("GET", "/logplex/stream")):
            heroku.inject(Refuse(method=method, path=path, status=503))
        heroku.inject(Refuse(status=403))
        blob = (await api.post("/sources")).status_code, (await api.post("/sources")).json()["source_blob"]
        log = (await api.post("/apps/chat/log-sessions", json={})).json()["logplex_url"]
        async with httpx.AsyncClient() as plain:
            refused = [await plain.put(blob[1]["put_url"], content=b"x"), await plain.get(log)]
            refused.append(await plain.get(heroku.api_url + "/streams/any"))
            assert (await plain.put(blob[1]["put_url"], content=b"x")).status_code == 200
        assert (blob[0], [answer.status_code for answer in refused]) == (403, [503, 503, 503])

    tell(story)


def test_an_answer_can_be_lost_before_or_after_the_deed() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        for done in (False, True):
            heroku.inject(Drop(method="POST", path="/apps", done=done))
            with pytest.raises(httpx.RemoteProtocolError):
                await api.post("/apps", json={"name": "lost"})
            assert ("lost" in heroku.cloud.apps) is done

    tell(story)


def test_faults_can_be_injected_over_http() -> None:
    async def story(heroku: Emulator, api: httpx.AsyncClient) -> None:
        assert (await api.post("/__inject", json={"fault": "Nothing"})).status_code == 422
        await api.post("/__inject", json={"fault": "Refuse", "status": 503, "times": None})
        assert (await api.get("/account")).status_code == 503
        await api.post("/__inject", json={})
        assert (await api.get("/account")).status_code == 200

    tell(story)
