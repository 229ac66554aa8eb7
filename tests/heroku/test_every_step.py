"""Every way the platform can fail, at every step it can meet: a true exit code, and running again finishes the job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from chatops.goals import Deploy, Goal, Remove, Restart, Rollback, Scale
from chatops.model import Environment
from chatops.pack import pack
from chatops.targets.base import Target
from tests.heroku.emulator import Crash, Cut, Drop, FailBuild, FailRelease, Fault, Refuse
from tests.heroku.stage import CHANGES, EVERYTHING, Stage, act, write_app
from tests.heroku.waiting import until

pytestmark = pytest.mark.faults

READS = ["", "/config-vars", "/releases", "/builds", "/dynos", "/features", "/domains", "/log-drains"]
REFUSALS = {401: 3, 402: 3, 403: 3, 404: 3, 409: 4, 422: 4, 429: 3, 503: 3}
STEPS = [
    "app", "feature_log-runtime-metrics", "buildpacks", "addon_1", "drain_1", "config", "build", "release", "formation",
    "dynos", "health", "domain_1", "certificates",
]  # fmt: skip
STANDARD = {"web": {"quantity": 2, "size": "standard-1x"}}


async def settled(stage: Stage) -> None:
    """No build and no release phase runs any more."""

    async def look() -> bool:
        apps = stage.heroku.cloud.apps.values()
        return not any(item.status == "pending" for app in apps for item in (*app.builds, *app.releases))

    await until(look)


async def finished_by_running_again(stage: Stage) -> None:
    """The same command ends well, and nothing is there twice."""
    await settled(stage)
    code, error, _ = await stage.ending(**EVERYTHING)
    assert code == 0, error
    app = stage.heroku.app("my-chat")
    things = [len(app.addons), len(app.drains), sum(domain.kind == "custom" for domain in app.domains)]
    assert (things, sorted(app.dynos)) == ([1, 1, 1], ["web.1"])


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refused_change(tmp_path: Path, method: str, path: str, status: int) -> None:
    async def story(stage: Stage) -> None:
        stage.heroku.inject(Refuse(method=method, path=path, status=status, times=None, retry_after=0))
        code, error, _ = await stage.ending(**EVERYTHING)
        # A POST that a gateway turns away may have been done.
        unclear = status == 503 and method == "POST" and path != "/sources"
        # After the switch, where the way back is refused as well, nobody can tell what serves.
        lost = path.endswith("/formation") and REFUSALS[status] == 4
        assert code == (9 if unclear or lost else REFUSALS[status]), error
        assert ("the way back failed too" in error) >= lost
        assert str(status) in error
        stage.heroku.heal()
        # What was half done is finished by running again, but for an app that was made and could not be marked.
        if path != "/apps/*/config-vars":
            await finished_by_running_again(stage)

    act(tmp_path, story)


@pytest.mark.parametrize("path", READS)
def test_a_refused_look_changes_nothing(tmp_path: Path, path: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy(**EVERYTHING)
        for status in REFUSALS:
            if (path, status) == ("", 404):  # there is no app then, which is no refusal
                continue
            before = len(stage.calls())
            stage.heroku.inject(Refuse(method="GET", path=f"/apps/*{path}", status=status, times=None, retry_after=0))
            code, error, _ = await stage.ending(**EVERYTHING)
            stage.heroku.heal()
            assert code == 3, error
            assert {method for method, _ in stage.calls(before)} == {"GET"}

    act(tmp_path, story)


@pytest.mark.parametrize(
    ("path", "skip"),
    [("/apps/*/builds/*", 0), ("/apps/*/releases/*", 0), ("/apps/*/dynos", 1)],
    ids=["build", "release", "dynos"],
)
@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 503])
def test_what_was_begun_and_can_not_be_followed_has_an_unknown_outcome(
    tmp_path: Path, path: str, skip: int, status: int
) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy(**EVERYTHING)
        stage.heroku.inject(Refuse(method="GET", path=path, status=status, skip=skip, times=None, retry_after=0))
        code, error, hint = await stage.ending(**EVERYTHING)
        assert code == 9, error
        assert "what was begun goes on" in error
        assert "chatops attach" in hint
        stage.heroku.heal()
        await finished_by_running_again(stage)

    act(tmp_path, story)


@pytest.mark.parametrize(("status", "times", "code"), [(403, 1, 4), (500, 1, 0), (503, 2, 0), (503, None, 3)])
def test_a_refused_upload(tmp_path: Path, status: int, times: int | None, code: int) -> None:
    async def story(stage: Stage) -> None:
        stage.heroku.inject(Refuse(method="PUT", path="/_source/*", status=status, times=times))
        found, error, _ = await stage.ending(**EVERYTHING)
        assert found == code, error
        stage.heroku.heal()
        await finished_by_running_again(stage)

    act(tmp_path, story)


SETTERS = [
    ("PATCH", "/apps/*/features/*"), ("PUT", "/apps/*/buildpack-installations"), ("PATCH", "/apps/*/config-vars"),
    ("PATCH", "/apps/*/formation"),
]  # fmt: skip
AFTERWARDS: Mapping[tuple[str, str], Goal] = {
    ("DELETE", "/apps/*/dynos/*"): Restart(), ("DELETE", "/apps/*"): Remove(), ("PATCH", "/apps/*/formation"): Scale(1),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path"), SETTERS)
@pytest.mark.parametrize("done", [True, False], ids=["done", "not-done"])
def test_a_lost_answer_is_asked_for_again(tmp_path: Path, method: str, path: str, done: bool) -> None:
    async def story(stage: Stage) -> None:
        stage.heroku.inject(Drop(method=method, path=path, done=done))
        assert (await stage.deploy(**EVERYTHING)).error == ""

    act(tmp_path, story)


@pytest.mark.parametrize(("method", "path"), AFTERWARDS)
@pytest.mark.parametrize("done", [True, False], ids=["done", "not-done"])
def test_a_lost_answer_of_another_verb(tmp_path: Path, method: str, path: str, done: bool) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy(dynos=STANDARD)
        stage.heroku.inject(Drop(method=method, path=path, done=done))
        assert (await stage.change(AFTERWARDS[method, path], dynos=STANDARD)).error == ""

    act(tmp_path, story)


@pytest.mark.parametrize("fault", [FailBuild, FailRelease])
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
def test_a_build_or_release_phase_that_fails(tmp_path: Path, fault: Callable[[], Fault], first: bool) -> None:
    async def story(stage: Stage) -> None:
        before = None if first else (await stage.deploy(**EVERYTHING)).release
        stage.heroku.inject(fault())
        assert (await stage.ending(**EVERYTHING))[0] == 4
        async with stage.opened() as target:
            state = await target.inspect()
        assert [worker.state for worker in state.workers] == ([] if first else ["up"])
        assert first or (state.release and state.release.id == before)
        await finished_by_running_again(stage)

    act(tmp_path, story)


@pytest.mark.parametrize("stream", ["build", "release"])
@pytest.mark.parametrize("clean", [True, False], ids=["end", "reset"])
def test_an_output_that_is_cut_again_and_again(tmp_path: Path, stream: str, clean: bool) -> None:
    procfile = "web: node server.js\nrelease: for n in 1 2 3 4 5 6; do echo migrating table number $n; sleep 0.1; done\n"

    async def story(stage: Stage) -> None:
        write_app(tmp_path / "app")
        (tmp_path / "app" / "Procfile").write_text(procfile)
        for after in (0, 7, 30, 60, 90, 120):
            stage.heroku.inject(Cut(stream=stream, after=after, clean=clean))
        assert (await stage.change(Deploy(pack(tmp_path / "app"), {}))).error == ""
        said = [line for line in stage.output.splitlines() if "migrating table" in line]
        assert said == [f"migrating table number {number}" for number in range(1, 7)]
        assert stage.output.count("Building on the") == 1

    act(tmp_path, story)


CONFIG: Environment = {"LOG_LEVEL": "debug"}
CHANGED: Mapping[str, Callable[[Stage, str], Awaitable[Any]]] = {
    "code": lambda stage, _: stage.deploy("three", dynos=STANDARD),
    "config": lambda stage, _: stage.deploy("two", env=CONFIG, dynos=STANDARD),
    "scale": lambda stage, _: stage.change(Scale(3), dynos=STANDARD),
    "restart": lambda stage, _: stage.change(Restart(), dynos=STANDARD),
    "rollback": lambda stage, first: stage.change(Rollback(first), dynos=STANDARD),
}


@pytest.mark.parametrize("what", CHANGED)
def test_dynos_that_crash_after_a_change(tmp_path: Path, what: str) -> None:
    async def story(stage: Stage) -> None:
        first = (await stage.deploy(dynos=STANDARD)).release
        await stage.deploy("two", dynos=STANDARD)
        stage.heroku.inject(Crash(times=2))
        ended = await CHANGED[what](stage, str(first))
        assert ended.exit_code == 5, ended.error
        async with stage.opened(dynos=STANDARD) as target:
            await until(lambda: both_up(target))

    act(tmp_path, story, seconds=200)


async def both_up(target: Target[Any]) -> bool:
    """Whether what served before serves again."""
    return [worker.state for worker in (await target.inspect()).workers] == ["up", "up"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
def test_ctrl_c_at_every_step(tmp_path: Path, step: str, first: bool) -> None:
    async def interrupt() -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()

    async def story(stage: Stage) -> None:
        if not first:
            assert (await stage.deploy()).ok
        stage.meanwhile = {step: interrupt}
        code, error, _ = await stage.ending(**EVERYTHING)
        if step in stage.meanwhile:
            assert not first  # the app is there, and so is what it had before
            return
        assert code == 130, error
        await finished_by_running_again(stage)

    act(tmp_path, story)


@pytest.mark.parametrize("step", STEPS[1:])
def test_the_app_is_deleted_at_every_step(tmp_path: Path, step: str) -> None:
    async def story(stage: Stage) -> None:
        async def delete() -> None:
            async with stage.opened() as target:
                await target._api.change("DELETE", "/apps/my-chat")

        stage.meanwhile = {step: delete}
        code, error, _ = await stage.ending(**EVERYTHING)
        assert code in {3, 4, 9}, error
        assert not stage.meanwhile
        await finished_by_running_again(stage)

    act(tmp_path, story)
