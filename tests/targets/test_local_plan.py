"""What the local target would do: pure plans from states that are only said."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from chatops import install, steps
from chatops.deployed import Deployed, Recipe, SetFacts
from chatops.environment import env_digest
from chatops.errors import ConfigError
from chatops.goals import Deploy, Goal, Plan, Remove, Restart, Rollback, Scale, after, back
from chatops.model import App, Environment, Generate, KeptRelease, Release, State, before
from chatops.pm2 import Layout, RunSet
from chatops.program import ShellStep, compile_program
from chatops.redact import Secret
from chatops.targets.local.plan import LocalState, plan

LAYOUT = Layout(PurePosixPath("/srv/it's"), PurePosixPath("/cache"))
APP = App("chat", Path("/app"), websocket="/ws")
SITE = steps.Site(APP, 2, 3, "http://127.0.0.1:3000", LAYOUT, PurePosixPath("/s"), PurePosixPath("/pm2"), "24", "x86_64")
ENV: Environment = {"LOG_LEVEL": "info", "TOKEN": Generate(32)}


def run_set(release: str, name: str = "", env: Environment = ENV) -> RunSet:
    return RunSet(name or release, "chat", release, env_digest(env, "chat"), "node server.js", ("TOKEN",), LAYOUT)


def release(id: str) -> Release:
    return Release(id, id * 6, Path(f"/tmp/{id}.tar"), "node server.js", 100.0, "me@here", lock="lock")  # noqa: S108


def there(*sets: SetFacts, live: str | None = None, previous: str | None = None, more: tuple[str, ...] = ()) -> LocalState:
    """A place where `sets` run; releases were deployed in the order of their names."""
    names = sorted({facts.run_set.release for facts in sets} | set(more))
    serving = next((facts.run_set.release for facts in sets if facts.run_set.name == live), None)
    kept = tuple(KeptRelease(id, "current" if id == serving else "kept", float(index)) for index, id in enumerate(names))
    recipes = {id: Recipe(run_set(id), "key") for id in names}
    deployed = Deployed(sets, live, previous, kept, recipes, frozenset(), daemon=True, pm2_installed=True)
    return LocalState(target="local", kind="local", releases=kept, there=deployed, front_port=3000)


def alive(one: RunSet, workers: int = 2, up: int | None = None, proved: int | None = None) -> SetFacts:
    return SetFacts(one, workers, workers if up is None else up, workers if proved is None else proved)


def names(made: Plan) -> dict[str, list[str]]:
    return {phase.name: [step.name for step in phase.steps] for phase in made.phases}


def make(state: LocalState, goal: Goal) -> Plan:
    return plan(SITE, 3000, state, goal)


EMPTY = LocalState(target="local", kind="local")
A, B, C = run_set("aaaaaaaaaa"), run_set("bbbbbbbbbb"), run_set("cccccccccc")
A_SERVES = there(alive(A), live=A.name)
B_AFTER_A = there(alive(A), alive(B), live=B.name, previous=A.name)
AGAIN = ["unpack", "modules", "link", "secret_TOKEN", "start", "gate"]
"""Of a release that is kept already."""
UNPACK = ["unpack", "modules", "link", "secret_TOKEN", "record", "start", "gate"]
CASES: dict[str, tuple[LocalState, Goal, dict[str, list[str]]]] = {
    "a first deploy installs everything": (
        EMPTY,
        Deploy(release(A.release), ENV),
        {"prepare": ["pm2", "front", *UNPACK], "switch": ["switch"]},
    ),
    "the same again is nothing": (A_SERVES, Deploy(release(A.release), ENV), {"prepare": ["nothing"]}),
    "what a broken change left is tidied up": (
        there(alive(A), alive(B), alive(C), live=C.name, previous=B.name),
        Deploy(release(C.release), ENV),
        {"settle": ["drain", "stop"]},
    ),
    "another release goes beside the old one": (
        A_SERVES,
        Deploy(release(B.release), ENV),
        {"prepare": UNPACK, "switch": ["switch"], "settle": ["drain"]},
    ),
    "another environment is another run set": (
        A_SERVES,
        Deploy(release(A.release), {**ENV, "LOG_LEVEL": "debug"}),
        {"prepare": AGAIN, "switch": ["record", "switch"], "settle": ["drain"]},
    ),
    "what is warm is only woken": (
        B_AFTER_A,
        Deploy(release(A.release), ENV),
        {"prepare": ["gate"], "switch": ["record", "switch"], "settle": ["drain"]},
    ),
    "a dead worker is reason enough": (
        there(alive(A, up=1), live=A.name),
        Deploy(release(A.release), ENV),
        {"prepare": AGAIN, "switch": ["record", "switch"], "settle": ["drain"]},
    ),
    "a third release stops the first": (
        B_AFTER_A,
        Deploy(release("cccccccccc"), ENV),
        {"prepare": UNPACK, "switch": ["switch"], "settle": ["drain", "stop"]},
    ),
    "rollback to warm": (
        B_AFTER_A,
        Rollback(A.release),
        {"prepare": ["gate"], "switch": ["switch"], "settle": ["drain"]},
    ),
    "rollback to cold goes through the gate": (
        there(alive(B), live=B.name, more=(A.release,)),
        Rollback(A.release),
        {"prepare": ["start", "gate"], "switch": ["switch"], "settle": ["drain"]},
    ),
    "going back from a bad release that never served": (
        there(alive(A), alive(B), live=A.name),
        Rollback(A.release, bad=B.release),
        {"settle": ["mark", "stop"]},
    ),
    "going back from a bad release that served": (
        B_AFTER_A,
        Rollback(A.release, bad=B.release),
        {"prepare": ["mark", "gate"], "switch": ["switch"], "settle": ["drain", "stop"]},
    ),
    "going back to nothing": (there(alive(A)), Rollback(None, bad=A.release), {"settle": ["mark", "forget", "stop"]}),
    "restart": (
        B_AFTER_A,
        Restart(),
        {"prepare": ["start", "gate"], "switch": ["switch"], "settle": ["drain", "stop"]},
    ),
    "more workers": (A_SERVES, Scale(4), {"prepare": ["start", "gate"]}),
    "fewer workers": (A_SERVES, Scale(1), {"settle": ["stop"]}),
    "more workers that were started and never proved": (
        there(alive(A, 4, proved=2), live=A.name),
        Scale(4),
        {"prepare": ["start", "gate"]},
    ),
    "fewer workers than were started, more than were proved": (
        there(alive(A, 6, proved=2), live=A.name),
        Scale(4),
        {"prepare": ["stop", "start", "gate"]},
    ),
    "a set with workers that never proved themselves is not what a deploy wants": (
        there(alive(A, 2, proved=1), live=A.name),
        Deploy(release(A.release), ENV),
        {"prepare": AGAIN, "switch": ["record", "switch"], "settle": ["drain"]},
    ),
    "a warm set that lacks a worker is started anew": (
        there(alive(A, up=1), alive(B), live=B.name, previous=A.name),
        Rollback(A.release),
        {"prepare": ["start", "gate"], "switch": ["switch"], "settle": ["drain", "stop"]},
    ),
    "as many workers": (A_SERVES, Scale(2), {"prepare": ["nothing"]}),
    "remove": (A_SERVES, Remove(), {"settle": ["stop", "delete"]}),
    "remove nothing": (EMPTY, Remove(), {}),
    "strays are ended first": (
        replace(EMPTY, strays=(12, 13)),
        Deploy(release(A.release), ENV),
        {"prepare": ["strays", "pm2", "front", *UNPACK], "switch": ["switch"]},
    ),
    "no daemon: the front is started anew, and workers too": (
        replace(A_SERVES, there=replace(A_SERVES.there, daemon=False)),
        Deploy(release(A.release), ENV),
        {"prepare": ["front", *AGAIN], "switch": ["record", "switch"], "settle": ["drain"]},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_plans(case: str) -> None:
    state, goal, wanted = CASES[case]
    assert names(make(state, goal)) == wanted


@pytest.mark.parametrize("case", CASES)
def test_every_program_is_clean_shell(case: str, tmp_path: Path) -> None:
    state, goal, _ = CASES[case]
    for phase in make(state, goal).phases:
        path = tmp_path / f"{phase.name}.sh"
        variables = {"program": path, "journal": "/j", "stop": "/stop", "node": "/n"}
        shell = [one for one in phase.steps if isinstance(one, ShellStep)]
        if not shell:
            continue
        path.write_text(compile_program(case, shell, variables))
        subprocess.run(["sh", "-n", path], check=True)
        subprocess.run([Path(sys.executable).with_name("shellcheck"), "-S", "warning", "-s", "sh", path], check=True)


def test_the_switch_has_a_gate_on_the_public_address() -> None:
    switch = next(phase for phase in make(A_SERVES, Deploy(release(B.release), ENV)).phases if phase.name == "switch")
    assert switch.gate
    assert (switch.gate.url, switch.gate.release) == ("http://127.0.0.1:3000/health", B.release)


def test_old_releases_are_pruned_but_never_what_serves_or_is_warm() -> None:
    state = there(alive(A), alive(B), live=B.name, previous=A.name, more=("c" * 10, "d" * 10, "e" * 10))
    settle = make(state, Deploy(release("f" * 10), ENV)).phases[-1]
    prune = next(one for one in settle.steps if one.name == "prune")
    assert isinstance(prune, ShellStep)
    assert "c" * 10 in prune.action
    assert B.release not in prune.action
    assert "modules" not in prune.action


def test_logs_go_with_their_release_and_stay_with_one_that_is_kept(tmp_path: Path) -> None:
    """However often a release was started, and whatever was left of those that went before."""
    layout = Layout(PurePosixPath(tmp_path / "it's"))
    site = replace(SITE, layout=layout)
    ids = [f"{number:010x}" for number in range(40)]
    for path in (layout.logs, layout.state / "releases"):
        Path(path).mkdir(parents=True)
    for id in ids:
        for name in (f"{id}-0.out.log", f"{id}-1.err.log.2.gz", f"{id}.2-0.out.log.1"):
            (Path(layout.logs) / f"chat-{name}").touch()
    (Path(layout.logs) / "front.out.log").touch()
    for id in ids[-4:]:
        (Path(layout.state) / "releases" / f"{id}.json").touch()
    (prune,) = install.prune(site, [ids[-4]], [], [], [])
    subprocess.run(["sh", "-euc", prune.action], check=True)
    left = {path.name for path in Path(layout.logs).iterdir()}
    assert {name.removeprefix("chat-")[:10] for name in left - {"front.out.log"}} == set(ids[-3:])
    assert len(left) == 10


def test_scripts_that_nothing_runs_from_are_deleted_but_never_those_of_this_version() -> None:
    state = replace(B_AFTER_A, there=replace(B_AFTER_A.there, stale=frozenset({"old", SITE.scripts.name})))
    settle = make(state, Rollback(A.release)).phases[-1]
    prune = next(one for one in settle.steps if one.name == "prune")
    assert isinstance(prune, ShellStep)
    assert prune.action == "rm -rf -- /old"
    assert prune.title == "delete scripts of older versions"


def test_an_interrupted_deploy_is_taken_up_again() -> None:
    state = there(alive(A), alive(run_set(B.release, f"{B.release}.2")), live=A.name)
    start = next(one for one in make(state, Deploy(release(B.release), ENV)).steps() if one.name == "start")
    assert f"{B.release}.2" in start.title


@pytest.mark.parametrize(
    ("state", "goal", "message"),
    [
        (replace(EMPTY, port_owner="`nginx` (process 7)"), Deploy(release(A.release), ENV), "port 3000 is taken by `nginx`"),
        (A_SERVES, Rollback("nosuch"), "`nosuch` is not kept here"),
        (EMPTY, Restart(), "nothing is deployed here yet"),
        (EMPTY, Scale(2), "nothing is deployed here yet"),
    ],
)
def test_goals_that_cannot_be(state: LocalState, goal: Goal, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(state, goal)


def test_rollback_without_a_name_goes_to_the_good_one_before() -> None:
    def state(*kept: KeptRelease) -> State:
        return State(target="local", kind="local", releases=kept)

    old, bad, now = KeptRelease("a", "kept", 1), KeptRelease("b", "bad", 2), KeptRelease("c", "current", 3)
    assert before(state(now, bad, old)) == "a"
    assert before(state(KeptRelease("d", "warm", 4), now)) is None
    assert before(state()) is None


def test_what_was_deployed_after_the_release_that_is_gone_back_to_is_left_behind() -> None:
    kept = [KeptRelease(id, "current" if id == "c" else "kept", moment) for moment, id in enumerate("abcd")]
    assert set(back(kept, "a").left) == {"b", "c"}
    assert back(kept, "c").left == back(kept, "d").left == back(kept, "unknown").left == back([], "a").left == ()


def test_a_release_is_newer_than_what_is_there_whatever_the_clocks_say() -> None:
    """It was deployed from a machine that is a day behind; and nothing is newer than itself."""
    kept = (KeptRelease("new", "kept", 9e9), KeptRelease("old", "current", 5e9))
    assert after(Deploy(release("new")), kept).release.created == 5e9 + 1
    assert after(Deploy(release("new")), ()).release.created == release("new").created
    made = make(replace(A_SERVES, releases=kept), Deploy(release("newer")))
    [record] = [step for step in made.steps() if step.name == "record"]
    assert '"created": 9000000001.0' in record.action  # type: ignore[attr-defined]


def test_environments_are_told_apart_without_telling_them() -> None:
    one, other = {"A": Secret("hunter2")}, {"A": Secret("hunter3")}
    assert env_digest(one, "chat") != env_digest(other, "chat")
    assert env_digest(one, "chat") == env_digest({"A": Secret("hunter2")}, "chat")
    assert env_digest({"A": Generate(8)}, "chat") != env_digest({"A": "8"}, "chat")
    script = compile_program(
        "x",
        [
            one
            for one in make(EMPTY, Deploy(release(A.release), {"A": Secret("hunter2")})).steps()
            if isinstance(one, ShellStep)
        ],
        {"program": "p", "journal": "j", "stop": "s"},
    )
    assert "hunter2" not in script
