"""What happens when the platform fails or refuses: at every step the right exit code, and nothing done twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chatops.errors import ConfigError, Locked, TargetError
from chatops.events import Finished
from chatops.goals import Remove, Restart, Rollback
from tests.heroku.emulator import Crash, Cut, Delay, Drop, FailAddOn, FailBuild, FailRelease, Fault, Refuse
from tests.heroku.stage import CHANGES, EVERYTHING, Stage, act, write_app
from tests.heroku.waiting import until

POSTS = [
    "/apps", "/apps/*/builds", "/apps/*/addons", "/apps/*/domains", "/apps/*/log-drains", "/sources", "/apps/*/acm",
]  # fmt: skip
BUSY = [429, 502, 503, 504]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("done", [True, False], ids=["done", "not-done"])
def test_a_lost_answer_makes_nothing_twice(tmp_path: Path, path: str, done: bool) -> None:
    async def story(stage: Stage) -> None:
        stage.heroku.inject(Drop(method="POST", path=path, done=done))
        finished = await stage.deploy(**EVERYTHING)
        assert finished.error == ""
        app = stage.heroku.app("my-chat")
        counts = [len(app.builds), len(app.addons), len(app.drains), sum(domain.kind == "custom" for domain in app.domains)]
        assert counts == [1, 1, 1, 1]

    act(tmp_path, story)


def test_a_lost_answer_of_a_rollback_makes_one_release(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        first, second = await stage.deploy(), await stage.deploy("two")
        stage.heroku.inject(Drop(method="POST", path="/apps/*/releases", done=True))
        back = await stage.change(Rollback(first.release))
        assert back.release == f"v{int(str(second.release)[1:]) + 1}"

    act(tmp_path, story)


@pytest.mark.parametrize("status", BUSY)
def test_a_busy_platform_is_asked_again_everywhere(tmp_path: Path, status: int) -> None:
    async def story(stage: Stage) -> None:
        for method, path in (*CHANGES, ("GET", "/apps/*"), ("GET", "/apps/*/dynos"), ("GET", "/apps/*/builds/*")):
            stage.heroku.inject(Refuse(method=method, path=path, status=status))
        finished = await stage.deploy(**EVERYTHING)
        assert finished.error == ""
        app = stage.heroku.app("my-chat")
        assert [len(app.builds), len(app.addons), len(app.drains)] == [1, 1, 1]

    act(tmp_path, story)


@pytest.mark.parametrize(
    ("fault", "step", "said"),
    [
        (FailBuild(message="no such module: leftpad"), "build", "the build failed: no such module: leftpad"),
        (FailRelease(), "release", "the release phase of v6 failed"),
    ],
    ids=["build", "release-phase"],
)
def test_a_failed_build_or_release_phase_leaves_what_served(tmp_path: Path, fault: Fault, step: str, said: str) -> None:
    async def story(stage: Stage) -> None:
        first = await stage.deploy()
        stage.heroku.inject(fault)
        assert (await stage.ending())[:2] == (4, said.replace("v6", f"v{int(str(first.release)[1:]) + 1}"))
        assert stage.failed == [step]
        current = stage.heroku.app("my-chat").current
        assert current
        assert f"v{current.version}" == first.release

    act(tmp_path, story)


def test_config_that_came_with_a_failed_build_is_taken_back(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        first = await stage.deploy(env={"LOG_LEVEL": "info"})
        stage.heroku.inject(FailBuild())
        failed = await stage.deploy("two", env={"LOG_LEVEL": "debug"})
        app = stage.heroku.app("my-chat")
        assert failed.exit_code == 4
        assert app.config["LOG_LEVEL"] == "info"
        assert app.current
        assert app.current.description == f"Rollback to {first.release}"

    act(tmp_path, story)


@pytest.mark.parametrize("mode", ["crash", "sick"])
def test_a_bad_release_is_rolled_back(tmp_path: Path, mode: str) -> None:
    async def story(stage: Stage) -> None:
        first = await stage.deploy()
        bad = await stage.deploy("two", mode)
        assert bad.exit_code == 5, bad.error
        if mode == "crash":
            assert "no database here" in stage.output
        async with stage.opened() as target:
            state = await target.inspect()
        app = stage.heroku.app("my-chat")
        assert app.current
        assert app.current.description == f"Rollback to {first.release}"
        assert all(worker.state == "up" for worker in state.workers)

    act(tmp_path, story, seconds=300)


def test_a_crash_of_the_first_release_leaves_nothing_running(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.heroku.inject(Crash(times=None))
        assert (await stage.ending())[0] == 5
        assert not stage.heroku.app("my-chat").dynos

    act(tmp_path, story)


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.heroku.take_name("my-chat")
        code, error, hint = await stage.ending()
        assert code == 3
        assert "belongs to somebody else" in error
        assert "choose another `app`" in hint

    act(tmp_path, story)


def test_an_app_that_somebody_made_by_hand_is_not_adopted(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        async with stage.opened() as target:
            await target._api.create("/apps", {"name": "my-chat"})
        before = len(stage.calls())
        code, error, hint = await stage.ending()
        assert code == 2
        assert "was not made by chatops" in error
        assert "CHATOPS_APP=chat" in hint
        assert all(method == "GET" for method, _ in stage.calls(before))
        async with stage.opened() as target:
            with pytest.raises(ConfigError):
                target.plan(await target.inspect(), Remove())

    act(tmp_path, story)


@pytest.mark.parametrize(
    ("what", "value", "said"), [("verified", False, "verify"), ("suspended", True, "suspended"), ("delinquent", True, "")]
)
def test_an_account_with_a_problem(tmp_path: Path, what: str, value: bool, said: str) -> None:
    async def story(stage: Stage) -> None:
        setattr(stage.heroku.account, what, value)
        code, error, hint = await stage.ending(**EVERYTHING)
        assert code == 3, error
        assert said in hint or said in error

    act(tmp_path, story)


def test_a_wrong_token(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.heroku.cloud.token = "another"
        code, error, hint = await stage.ending()
        assert (code, error) == (3, "Heroku says: Invalid credentials provided (401)")
        assert "heroku authorizations:create" in hint

    act(tmp_path, story)


def test_two_deploys_at_once(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy()
        other = asyncio.create_task(Stage(stage.heroku, stage.folder).deploy("two"))

        async def building() -> bool:
            return any(build.status == "pending" for build in stage.heroku.app("my-chat").builds)

        await until(building)
        with pytest.raises(Locked, match=r"dev@example.com is changing the app: a build runs"):
            await stage.deploy("three")
        assert (await other).ok

    act(tmp_path, story)


def test_a_build_that_somebody_began_between_our_look_and_ours(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy()
        stage.heroku.inject(Delay(method="GET", path="/_source/*", seconds=3))
        others: list[asyncio.Task[Finished]] = []

        async def building() -> bool:
            return any(build.status == "pending" for build in stage.heroku.app("my-chat").builds)

        async def begin() -> None:
            others.append(asyncio.create_task(Stage(stage.heroku, stage.folder).deploy("three")))
            await until(building)
            stage.heroku.inject(Refuse(method="POST", path="/apps/*/builds", status=409))

        stage.meanwhile = {"build": begin}
        with pytest.raises(Locked, match=r"dev@example\.com is building this app now"):
            await stage.deploy("two")
        assert (await others[0]).ok

    act(tmp_path, story)


def test_the_app_is_deleted_meanwhile(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy()
        stage.heroku.inject(Refuse(path="/apps/*/dynos", status=404, message="Couldn't find that app.", skip=1, times=None))
        code, error, _ = await stage.ending()
        assert (code, "Couldn't find that app" in error) == (9, True)

    act(tmp_path, story)


def test_a_retired_stack(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        code, error, _ = await stage.ending(stack="heroku-18")
        assert code == 4
        assert "(422)" in error

    act(tmp_path, story)


def test_an_addon_that_can_not_be_provisioned(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.heroku.inject(FailAddOn())
        code, error, _ = await stage.ending(addons=["heroku-redis:mini"])
        assert code == 4
        assert "heroku-redis:mini could not be provisioned" in error

    act(tmp_path, story)


@pytest.mark.parametrize("clean", [True, False], ids=["end", "reset"])
def test_a_cut_build_output_is_taken_up_where_it_was(tmp_path: Path, clean: bool) -> None:
    async def story(stage: Stage) -> None:
        for after in (10, 60, 100):
            stage.heroku.inject(Cut(stream="build", after=after, clean=clean))
        assert (await stage.deploy()).error == ""
        log = next(tmp_path.rglob("builds/*.log")).read_text()
        build = stage.heroku.app("my-chat").builds[0]
        assert log.rstrip("\n") == build.output.data.decode().rstrip("\n")

    act(tmp_path, story)


def test_a_dyno_that_does_not_come_back_after_a_restart(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.deploy()
        stage.heroku.inject(Crash(times=2))
        finished = await stage.change(Restart())
        assert finished.exit_code == 5

    act(tmp_path, story)


def test_a_platform_out_of_reach(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.heroku.inject(Drop(path="/apps/*", times=None))
        with pytest.raises(TargetError, match="out of reach"):
            await stage.deploy()

    act(tmp_path, story)


def test_a_source_that_is_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    from chatops.targets.heroku.client import source

    async def story(stage: Stage) -> None:
        allowed, source.LARGEST = source.LARGEST, 100
        try:
            code, error, hint = await stage.ending()
        finally:
            source.LARGEST = allowed
        assert code == 4
        assert "larger than the" in error
        assert ".slugignore" in hint
        assert ("POST", "/sources") not in stage.calls()

    act(tmp_path, story)


def test_a_process_type_that_is_not_in_the_procfile(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        code, error, hint = await stage.ending(dynos={"web": {}, "clock": {"quantity": 1}})
        assert code == 4
        assert "no such process type" in error
        assert "Procfile" in hint

    act(tmp_path, story)


def test_an_app_that_does_not_say_how_it_starts(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        write_app(tmp_path / "app")
        (tmp_path / "app" / "Procfile").unlink()
        from chatops.pack import pack

        with pytest.raises(ConfigError, match="does not say how the app starts"):
            pack(tmp_path / "app")

    act(tmp_path, story)
