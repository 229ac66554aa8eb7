"""The plan of every goal, from states made by hand: what is done, what is left alone, what is said before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chatops.errors import ConfigError
from chatops.goals import Deploy, Plan, Remove, Restart, Rollback, Scale
from chatops.model import App, Generate, KeptRelease, Release, Worker
from chatops.redact import Secret
from chatops.targets.heroku.config import Block
from chatops.targets.heroku.plan.goals import Wish, join, plan
from chatops.targets.heroku.plan.state import AppFacts, Formation, HerokuState
from chatops.targets.heroku.plan.steps import SetConfig
from tests.blocks import block_of

APP = App("chat", Path("/nowhere"))
RELEASE = Release("abc1234567", "d" * 64, Path("/nowhere.tar"), "node server.js", 0.0, "ana@host", "fedcba")
FEATURES = frozenset({"log-runtime-metrics", "runtime-dyno-metadata"})
EMPTY = HerokuState(target="heroku", kind="heroku")
CANARY = "canary-3f9a1c77"


def block(**more: Any) -> Block:
    return block_of(Block, {"app": "my-chat", "region": "eu", **more})


def there(**more: Any) -> HerokuState:
    """A healthy app of ours on v7, with one basic dyno that took 7 s to boot."""
    facts = AppFacts("id", "my-chat", "eu", "heroku-26", "ana@example.com", ours=True)
    state = HerokuState(
        target="heroku", kind="heroku", url="https://my-chat.example.com", app=facts, source=RELEASE.id, latest=7,
        releases=(KeptRelease("v7", "current"), KeptRelease("v6", "kept")), uuids={"v7": "seven", "v6": "six"},
        formation={"web": Formation(1, "basic")}, workers=(Worker("web.1", "heroku", "up", release="v7"),),
        config={"CHATOPS_APP": Secret("chat")}, features=FEATURES, boot_seconds=7.2,
    )  # fmt: skip
    return replace(state, **more)


def titles(made: Plan) -> list[str]:
    return [step.title for step in made.steps()]


def planned(state: HerokuState, goal: Any, **more: Any) -> Plan:
    return plan(Wish(APP, block(**more)), state, goal)


def test_first_deploy_makes_everything() -> None:
    made = planned(EMPTY, Deploy(RELEASE, {"LOG_LEVEL": "info"}), addons=["heroku-redis:mini"], domains=["chat.example.com"])
    assert titles(made) == [
        "create the app my-chat in eu",
        "enable log-runtime-metrics",
        "enable runtime-dyno-metadata",
        "add heroku-redis:mini and wait until it is provisioned",
        "set 2 config vars",
        "upload and build abc1234567",
        "release it, with its release phase",
        "run web: 1 x Basic",
        "wait until 1 dyno is up on the new release",
        "check /health: three good answers in a row from the new release",
        "add the domain chat.example.com",
        "have certificates managed for the domains",
    ]
    assert [phase.name for phase in made.phases] == ["prepare", "switch", "settle"]


def test_nothing_to_do_is_no_step() -> None:
    made = planned(there(), Deploy(RELEASE))
    assert not made.changes
    assert list(made.steps()) == []
    assert made.release == "v7"


def test_new_code_is_built_and_proved() -> None:
    made = planned(there(source="0000000000"), Deploy(RELEASE))
    assert titles(made)[:3] == [
        "nobody else is changing the app",
        "upload and build abc1234567",
        "release it, with its release phase",
    ]
    assert made.release == "v8"
    assert "users meet a gap of about 7 s, as long as the last boot took" in made.notices[0]


LARGE = {"web": {"quantity": 2, "size": "standard-1x"}}


def test_preboot_is_on_before_dynos_that_allow_it_are_replaced() -> None:
    made = planned(there(formation={"web": Formation(2, "standard-1x")}, source="x"), Deploy(RELEASE), dynos=LARGE)
    assert titles(made)[1:3] == ["enable preboot", "upload and build abc1234567"]
    assert made.notices == ()


def test_the_way_to_a_larger_size_has_a_last_gap() -> None:
    made = planned(there(source="x"), Deploy(RELEASE), dynos=LARGE)
    assert titles(made)[3:5] == ["run web: 2 x Standard-1X", "enable preboot"]
    assert made.notices == ("Preboot is not on yet: users meet a gap of about 7 s, as long as the last boot took",)


def test_a_restart_of_the_only_dyno_and_a_rollback_without_preboot_have_a_gap() -> None:
    one = there(formation={"web": Formation(1, "standard-1x")})
    assert planned(one, Restart(), dynos=LARGE).notices[0].startswith("there is one web dyno only: users meet a gap")
    assert planned(one, Rollback("v6"), dynos=LARGE).notices[1].startswith("Preboot is not on yet: users meet a gap")
    assert len(planned(replace(one, features=FEATURES | {"preboot"}), Rollback("v6"), dynos=LARGE).notices) == 1


def test_config_is_one_difference() -> None:
    config = {
        "KEPT": Secret("same"),
        "OLD": Secret("gone"),
        "BY_ADDON": Secret("left"),
        "MADE": Secret("once"),
        "CHATOPS_APP": Secret("chat"),
        "CHATOPS_ENV": Secret("KEPT,OLD"),
    }
    env = {"KEPT": "same", "NEW": Secret(CANARY), "MADE": Generate(32)}
    step = next(step for step in planned(there(config=config), Deploy(RELEASE, env)).steps() if isinstance(step, SetConfig))
    assert step.changes == {"OLD": None, "NEW": Secret(CANARY), "CHATOPS_ENV": Secret("KEPT,NEW")}
    assert step.detail == "~CHATOPS_ENV, +NEW, -OLD"


def test_no_secret_is_in_a_plan() -> None:
    made = planned(EMPTY, Deploy(RELEASE, {"TOKEN": Secret(CANARY)}), drains=[f"https://user:{CANARY}@logs.example.com/in"])
    assert CANARY not in repr(made)
    assert "send the log to logs.example.com" in titles(made)


def test_an_app_that_is_not_ours_is_left_alone() -> None:
    foreign = replace(there().app or AppFacts("", "", "", "", "", ours=False), ours=False)
    for goal in (Deploy(RELEASE), Remove(), Restart(), Scale(1), Rollback("v6")):
        with pytest.raises(ConfigError, match="was not made by chatops"):
            planned(there(app=foreign), goal)


def test_an_app_of_another_generation_is_refused() -> None:
    fir = replace(there().app or AppFacts("", "", "", "", "", ours=True), generation="fir")
    with pytest.raises(ConfigError, match="fir generation"):
        planned(there(app=fir), Deploy(RELEASE))


def test_a_crashed_dyno_is_restarted_by_a_deploy() -> None:
    made = planned(there(workers=(Worker("web.1", "heroku", "crashed", release="v7"),)), Deploy(RELEASE))
    assert "restart web.1, which has crashed" in titles(made)


def test_an_addon_of_another_plan_is_moved_and_another_service_stays() -> None:
    state = there(addons=frozenset({"heroku-redis:mini", "papertrail:free"}))
    assert (
        titles(planned(state, Deploy(RELEASE), addons=["heroku-redis:premium-0"]))[1]
        == "move heroku-redis:mini to heroku-redis:premium-0"
    )
    assert not planned(state, Deploy(RELEASE), addons=["heroku-redis"]).changes


def test_rollback_names_what_it_does_not_undo() -> None:
    made = planned(there(), Rollback("v6"))
    assert titles(made)[0] == "make a release with the code and config vars of v6"
    assert made.release == "v8"
    assert "add-ons and what they hold are not rolled back" in made.notices


def test_rollback_to_what_serves_does_nothing() -> None:
    assert not planned(there(), Rollback("v7")).changes


def test_rollback_to_nothing_stops_the_dynos() -> None:
    assert titles(planned(there(), Rollback(None))) == ["stop web"]


def test_rollback_to_an_unknown_release_is_refused() -> None:
    with pytest.raises(ConfigError, match="release `v3` is not there"):
        planned(there(), Rollback("v3"))


def test_a_build_that_we_left_behind_is_not_rolled_back() -> None:
    made = planned(there(left_building=True), Rollback("v6"))
    assert not made.changes
    assert "attach" in made.notices[0]


def test_basic_does_not_scale() -> None:
    with pytest.raises(ConfigError, match="allows one dyno"):
        planned(there(), Scale(2))


def test_scale_keeps_the_size() -> None:
    state = there(formation={"web": Formation(1, "standard-2x")})
    assert "scale web from 1 to 3 x Standard-2X" in titles(planned(state, Scale(3)))
    assert not planned(state, Scale(1)).changes


def test_restart_goes_dyno_by_dyno() -> None:
    workers = tuple(Worker(f"web.{number}", "heroku", "up", release="v7") for number in (1, 2))
    made = planned(there(workers=workers), Restart())
    assert titles(made)[1:3] == ["restart web.1 and wait until it is up", "restart web.2 and wait until it is up"]


def test_remove_says_what_is_lost() -> None:
    made = planned(there(addons=frozenset({"heroku-postgresql:essential-0"})), Remove())
    assert titles(made)[-1] == "delete the app my-chat"
    assert "heroku-postgresql:essential-0" in made.notices[0]
    assert not planned(EMPTY, Remove()).changes


def test_what_runs_can_be_joined() -> None:
    assert [step.name for step in join(Wish(APP, block()), "build-id").steps] == ["build", "release", "dynos", "health"]
    assert [step.name for step in join(Wish(APP, block()), None).steps] == ["release", "dynos", "health"]


@pytest.mark.parametrize(
    ("given_block", "said"),
    [
        ({"app": "My_Chat"}, "app"),
        ({"dynos": {"web": {"quantity": 2, "size": "Basic"}}}, "one dyno per process type"),
        ({"dynos": {"web": {"size": "eco"}, "worker": {"size": "standard-1x"}}}, "can't be mixed"),
        ({"drains": ["ftp://x"]}, "a drain is a URL"),
        ({"addons": ["no good"]}, "addons"),
        ({"domains": ["not a host"]}, "domains"),
        ({"dynos": {"wéb": {}}}, "dynos"),
        ({"dyno": {}}, "Unexpected keyword"),
    ],
)
def test_blocks_that_can_not_be(given_block: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        block_of(Block, {"app": "my-chat", **given_block})


NAMES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=6)


@given(st.dictionaries(NAMES, st.text(max_size=5)), st.dictionaries(NAMES, st.text(max_size=5)))
def test_carrying_out_the_difference_leaves_none(before: dict[str, str], wanted: dict[str, str]) -> None:
    state = there(config={name: Secret(value) for name, value in before.items()})
    steps = [step for step in planned(state, Deploy(RELEASE, wanted)).steps() if isinstance(step, SetConfig)]
    after = dict(state.config)
    for step in steps:
        for name, value in step.changes.items():
            assert not isinstance(value, Generate)
            after.pop(name, None) if value is None else after.update({name: value})
    assert not planned(there(config=after), Deploy(RELEASE, wanted)).changes
    assert {name: after[name].reveal() for name in wanted} == wanted
