"""The main job on this machine, as a user does it."""

from __future__ import annotations

import json

from tests.e2e.place import Place


def test_the_life_of_an_app(tiny: Place) -> None:
    assert tiny.json("status")["state"] == "absent"
    first = tiny.events("deploy", "local")[-1]
    assert (first["type"], first["ok"], first["changed"]) == ("finished", True, True)
    assert tiny.page() == "first"

    again = tiny.events("deploy", "local")[-1]
    assert (again["ok"], again["changed"], again["release"]) == (True, False, first["release"])

    tiny.write("second")
    second = tiny.events("deploy", "local")[-1]
    assert tiny.page() == "second"
    assert second["release"] != first["release"]
    assert second["impact"]["failed"] == 0

    status = tiny.json("status", "local")
    assert status["state"] == "healthy"
    assert status["release"]["id"] == second["release"]
    assert [one["state"] for one in status["releases"]] == ["current", "warm"]
    assert {worker["state"] for worker in status["workers"]} == {"up"}

    assert tiny.events("rollback", "local")[-1]["release"] == first["release"]
    assert tiny.page() == "first"
    tiny.chatops("remove", "local", "--yes", "--purge")
    assert tiny.processes() == []
    assert not (tiny.folder / ".chatops").exists()


def test_scale_and_restart_replace_nothing_that_serves(tiny: Place) -> None:
    tiny.chatops("deploy")
    before = {worker["pid"] for worker in tiny.json("status")["workers"]}
    tiny.chatops("scale", "local", "3")
    three = {worker["pid"] for worker in tiny.json("status")["workers"]}
    assert len(three) == 3
    assert before < three
    tiny.chatops("scale", "1")
    assert len(tiny.json("status")["workers"]) == 1
    tiny.chatops("restart", "local")
    one = {worker["pid"] for worker in tiny.json("status")["workers"]}
    assert len(one) == 1
    assert not one & three
    assert tiny.page() == "first"


def test_rollback_to_a_cold_release_goes_through_the_gate(tiny: Place) -> None:
    first = tiny.events("deploy")[-1]["release"]
    for text in ("second", "third"):
        tiny.write(text)
        tiny.chatops("deploy")
    events = tiny.events("rollback", "local", first)
    assert "gate" in {event.get("step") for event in events}
    assert tiny.page() == "first"


def test_a_release_that_came_again_is_the_newest(tiny: Place) -> None:
    tiny.chatops("deploy")
    tiny.write("second")
    second = tiny.events("deploy")[-1]["release"]
    tiny.write("first")
    again = tiny.events("deploy")
    assert "start" not in {event.get("step") for event in again}, "it was warm"
    assert tiny.events("rollback")[-1]["release"] == second


def test_a_release_that_was_left_is_not_gone_back_to_unless_it_has_served_again(tiny: Place) -> None:
    ids = [tiny.events("deploy")[-1]["release"]]
    tiny.write("one that disappoints")
    ids.append(tiny.events("deploy")[-1]["release"])

    def states() -> dict[str, str]:
        return {one["id"]: one["state"] for one in tiny.json("releases")["releases"]}

    assert tiny.events("rollback")[-1]["release"] == ids[0]
    assert states() == {ids[0]: "current", ids[1]: "bad"}
    tiny.write("another try")
    ids.append(tiny.events("deploy")[-1]["release"])
    assert tiny.events("rollback")[-1]["release"] == ids[0]
    assert states() == {ids[0]: "current", ids[1]: "bad", ids[2]: "bad"}
    for text in ("one that disappoints", "the last"):
        tiny.write(text)
        ids.append(tiny.events("deploy")[-1]["release"])
    assert ids[3] == ids[1]
    assert states() == {ids[0]: "kept", ids[1]: "warm", ids[2]: "bad", ids[4]: "current"}
    assert tiny.events("rollback")[-1]["release"] == ids[1]


def test_a_changed_environment_is_a_change(tiny: Place) -> None:
    tiny.chatops("deploy")
    tiny.configure(GREETING="hi; $(touch pwned) 'quoted'\n\"second line\"")
    assert tiny.events("deploy")[-1]["changed"]
    shown = tiny.chatops("run", "local", "--", "node", "-p", "process.env.GREETING").stdout
    assert shown == "hi; $(touch pwned) 'quoted'\n\"second line\"\n"


def test_old_releases_are_pruned(tiny: Place) -> None:
    for number in range(8):
        tiny.write(f"text {number}")
        tiny.chatops("deploy")
    kept = tiny.json("releases")["releases"]
    assert len(kept) == 5
    trees = list((tiny.folder / ".chatops/local/releases").iterdir())
    assert {tree.name for tree in trees} == {one["id"] for one in kept}
    assert len(list((tiny.folder / ".chatops/local/run").glob("*/set.json"))) == 4  # live and previous, through links too
    logs = {path.name for path in (tiny.folder / ".chatops/local/logs").glob("chat-*.log")}
    assert logs == {f"chat-{one['id']}-{n}.{stream}.log" for one in kept for n in (0, 1) for stream in ("out", "err")}


def test_scripts_of_older_versions_go_with_the_last_set_that_runs_from_them(tiny: Place) -> None:
    scripts = tiny.root / "scripts"
    for version in ("one", "two"):
        tiny.write(version)
        tiny.chatops("deploy")
    (current,) = scripts.iterdir()
    current.rename(scripts / "old")  # as if an older version of the tool had deployed these two
    (scripts / "unused").mkdir()
    for path in (tiny.root / "pm2/dump.pm2", *(tiny.root / "run").glob("*/apps.json")):
        path.write_text(path.read_text().replace(f"/scripts/{current.name}/", "/scripts/old/"))
    tiny.write("three")
    tiny.chatops("deploy")
    assert {path.name for path in scripts.iterdir()} == {"old", current.name}
    for version in ("four", "five"):
        tiny.write(version)
        tiny.chatops("deploy")
    assert list(scripts.iterdir()) == [current]
    current.rename(scripts / "older")  # a newer version of the tool, before it has changed anything here
    assert tiny.chatops("run", "local", "--", "echo", "done").stdout == "done\n"
    (scripts / "older").rename(current)
    assert tiny.page() == "five"


def test_secrets_are_made_once_and_stay_out_of_sight(tiny: Place) -> None:
    tiny.chatops("deploy")
    secret = tiny.chatops("run", "local", "--", "node", "-p", "process.env.TOKEN").stdout.strip()
    assert len(secret) >= 24
    tiny.write("second")
    said = tiny.chatops("deploy", "--verbose")
    assert tiny.chatops("run", "local", "--", "node", "-p", "process.env.TOKEN").stdout.strip() == secret
    root = tiny.folder / ".chatops/local"
    holders = [path for path in root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert [path.name for path in holders] == ["TOKEN"]
    assert holders[0].stat().st_mode & 0o077 == 0
    assert secret not in said.stdout + said.stderr
    for process in tiny.processes():
        assert secret not in " ".join(process.cmdline())


def test_plan_and_doctor_and_open(tiny: Place) -> None:
    plan = tiny.json("plan")
    assert plan["changes"]
    assert [phase["name"] for phase in plan["phases"]] == ["prepare", "switch"]
    tiny.chatops("plan", "--detailed-exitcode", code=7)
    assert tiny.chatops("plan", "--script").stdout.startswith("#!/bin/sh")
    assert tiny.json("doctor")["ok"]
    tiny.chatops("deploy")
    tiny.chatops("plan", "--detailed-exitcode", code=0)
    assert tiny.chatops("open").stdout == f"http://127.0.0.1:{tiny.port}\n"


def test_logs_show_what_workers_say(tiny: Place) -> None:
    tiny.chatops("deploy")
    lines = [json.loads(line) for line in tiny.chatops("logs", "-n", "50", "--json").stdout.splitlines()]
    assert {line["message"] for line in lines if line["source"] == "app"} == {"up"}
    assert {line["worker"].rsplit("-", 1)[-1] for line in lines if line["source"] == "app"} == {"0", "1"}


def test_a_deep_folder_gets_a_short_name(tiny: Place) -> None:
    deep = tiny.folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    for name in ("chatops.yaml", "app"):
        (tiny.folder / name).rename(deep / name)
    (tiny.folder / ".chatops").mkdir(exist_ok=True)
    top, tiny.folder = tiny.folder, deep
    try:
        tiny.chatops("deploy")
        assert tiny.page() == "first"
        tiny.chatops("remove", "--yes", "--purge")
    finally:
        tiny.folder = top


def test_the_chat_deploys_and_loses_nothing(chat: Place) -> None:
    chat.chatops("deploy")
    felt = json.loads(chat.chatops("probe", "--seconds", "2", "--json").stdout)["impact"]
    assert felt["messages"] > 20
    assert (felt["failed"], felt["lost"], felt["doubled"]) == (0, 0, 0)
    chat.configure(LOG_LEVEL="debug")
    finished = chat.events("deploy")[-1]
    assert finished["impact"]["messages"] > 0
    assert {key: finished["impact"][key] for key in ("failed", "lost", "doubled")} == {"failed": 0, "lost": 0, "doubled": 0}
    assert 'id="log"' in chat.page() or "<html" in chat.page()
    assert "checks    sqlite pass\n" in chat.chatops("status").stdout


def test_fewer_workers_lose_nothing(chat: Place) -> None:
    chat.configure(workers=4)
    chat.chatops("deploy")
    felt = chat.events("scale", "1")[-1]["impact"]
    assert felt["messages"] > 0
    assert {key: felt[key] for key in ("failed", "lost", "doubled")} == {"failed": 0, "lost": 0, "doubled": 0}
