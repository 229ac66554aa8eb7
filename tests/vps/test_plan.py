"""The VPS target's plans on values: what is due, in which order, and that every generated program and site is sound."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pydantic import ValidationError

from chatops import steps
from chatops.deployed import Deployed, Recipe, SetFacts
from chatops.errors import ConfigError, StepFailed, TargetError
from chatops.goals import Deploy, Goal, Remove, Restart, Rollback, Scale
from chatops.install import modules_key
from chatops.model import App, KeptRelease, Lock, Release, Worker
from chatops.pm2 import Layout, RunSet, files
from chatops.program import ShellStep
from chatops.targets.vps import fleet as fleets
from chatops.targets.vps.config import Block, Tls
from chatops.targets.vps.doctor import checkup, findings
from chatops.targets.vps.facts import HostFacts, Listening, Unit
from chatops.targets.vps.plan import Fleet, VpsState, plan
from chatops.targets.vps.programs import one_off, programs, text
from chatops.targets.vps.provision import firewall, packages, site
from chatops.targets.vps.provision.due import due, shut, stopped, units
from chatops.targets.vps.provision.machine import Machine, Node, RootStep, for_user
from tests.blocks import block_of
from tests.needs import need
from tests.schemas import hold

BIN = str(Path(sys.executable).parent)
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
APP = App("my-chat", Path("/app"), websocket="/ws")
NODE = Node("24.19.0", "node-v24.19.0-linux-x64.tar.xz", "a" * 64)
RELEASE = Release("0123456789", "d" * 64, Path("/nowhere.tar"), "node server.js", 1.0, "ana@here", lock="l" * 64)
ONE = {"hosts": [{"address": "203.0.113.1"}]}
THREE = {
    "hosts": [
        {"address": "203.0.113.1", "roles": ["balancer"], "private": "10.0.0.1"},
        {"address": "203.0.113.2", "roles": ["app"], "private": "10.0.0.2"},
        {"address": "203.0.113.3", "roles": ["app", "data"], "private": "10.0.0.3"},
    ]
}
TLS = {"domain": "chat.example.com", "tls": {"email": "a@b.c", "ca_bundle": "authority.pem"}}
BLOCKS: dict[str, dict[str, Any]] = {
    "one": ONE,
    "one with tls": {**ONE, **TLS},
    "bare": {**ONE, "redis": "none", "database": "none", "firewall": False},
    "elsewhere": {**ONE, "redis": "redis://:x@10.0.0.9:6379", "database": "postgres://u:p@10.0.0.9/x"},
    "three": THREE,
    "three with tls": {**THREE, **TLS},
    "six": {"hosts": [{"address": "2001:db8::1"}]},
}


GOALS: list[Goal] = [
    Deploy(RELEASE), Rollback("old"), Scale(3), Scale(1), Restart(), Remove(), Remove(purge=True),
]  # fmt: skip


def fleet(block: dict[str, Any]) -> Fleet:
    """The machines of a block, each with a Node."""
    made = block_of(Block, block)
    return fleets.fleet(APP, made, {host.address: NODE for host in made.hosts})


def bare(machine: Machine) -> HostFacts:
    """A host that has nothing."""
    room = {"disk_free": 10 * 1024**3, "inodes_free": 10**6, "memory_free": 1024**3}
    return HostFacts(host=machine.host.address, os="debian", arch="x86_64", root=True, **room)


def finished(machine: Machine) -> HostFacts:
    """A host on which everything was applied and runs."""
    secure = machine.block.tls is not None and "balancer" in machine.roles
    stamps = {step.name: step.digest for step in (*due(machine, bare(machine)), *shut(machine, bare(machine)))}
    return replace(
        bare(machine),
        stamps=stamps,
        units={unit.replace("*", "15-main"): Unit("active", "enabled") for unit in units(machine)},
        packages=dict.fromkeys(packages.wanted(machine), "1"),
        runtimes=(NODE.version,),
        app_user=True,
        firewall="active",
        markers={site.path(machine): site.text(machine, secure=secure)},
        there=served(machine) if "app" in machine.roles else Deployed(),
    )


def cluttered(machine: Machine) -> HostFacts:
    """The same with what only older versions of the tool used."""
    return replace(finished(machine), tools=("pm2-old",), runtimes=("20.1.0", NODE.version), daemon_runtime=NODE.version)


def served(machine: Machine) -> Deployed:
    """Two workers of a release, and an older one that is kept."""
    live = RunSet("live", APP.name, "live", "e", "node server.js", (), machine.layout)
    old = replace(live, name="old", release="old")
    return Deployed(
        sets=(SetFacts(live, 2, 2, 2),),
        live="live",
        releases=(KeptRelease("live", "current", 2.0), KeptRelease("old", "kept", 1.0)),
        recipes={"live": Recipe(live, None), "old": Recipe(old, None)},
        daemon=True,
        pm2_installed=True,
    )


def state(found: Fleet, look: Any) -> VpsState:
    """What was seen, where every host looks the same."""
    return VpsState(target="vps", kind="vps", hosts={key: look(machine) for key, machine in found.machines.items()})


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: type(goal).__name__)
@pytest.mark.parametrize("look", [bare, finished, cluttered])
def test_every_program_is_sound(name: str, goal: Goal, look: Any, tmp_path: Path) -> None:
    found = fleet(BLOCKS[name])
    seen = state(found, look)
    if look is bare and not isinstance(goal, Deploy):
        return
    made = plan(found, seen, goal)
    checked = 0
    for phase in made.phases:
        for address, machine in found.machines.items():
            due_here = [step for step in phase.steps if step.host == address]  # type: ignore[attr-defined]
            if due_here:
                file = tmp_path / f"{checked}.sh"
                file.write_text(text(machine, made, phase, due_here, root=isinstance(due_here[0], RootStep)))
                checked += 1
    files = [str(path) for path in sorted(tmp_path.glob("*.sh"))]
    for file in files:
        subprocess.run(["sh", "-n", file], check=True)
    # SC2218: the runner calls its steps by name; SC2034, SC2043: what every program gets, lists of one.
    options = ("-s", "sh", "-S", "warning", "-e", "SC2218,SC2034,SC2043")
    done = subprocess.run([need("shellcheck", "shellcheck", BIN), *options, *files], capture_output=True, text=True)
    assert done.returncode == 0 or not files, done.stdout


@pytest.mark.parametrize("name", BLOCKS)
def test_every_site_is_one_that_nginx_takes(name: str, tmp_path: Path) -> None:
    nginx = need("nginx", "nginx-light", "/usr/sbin")
    for machine in fleet(BLOCKS[name]).machines.values():
        sites = {secure: site.text(machine, secure=secure) for secure in (False, True) if not secure or machine.block.tls}
        for secure, content in sites.items():
            folder = tmp_path / f"{machine.host.address}-{secure}".replace(":", "")
            folder.mkdir()
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                 "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
                check=True, capture_output=True,
            )  # fmt: skip
            here = content.replace(str(site.certificates(machine)), str(folder)).replace("/var/log/nginx", str(folder))
            (folder / "site.conf").write_text(here)
            (folder / "nginx.conf").write_text(
                f"pid {folder}/pid;\nerror_log {folder}/e;\nevents {{}}\nhttp {{\n"
                + "".join(
                    f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
                )
                + f"include {folder}/site.conf;\n}}\n"
            )
            done = subprocess.run([nginx, "-t", "-q", "-c", folder / "nginx.conf"], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert site.generation(content) in content


@pytest.mark.parametrize("name", BLOCKS)
def test_a_finished_host_needs_no_root(name: str) -> None:
    found = fleet(BLOCKS[name])
    made = plan(found, state(found, lambda machine: replace(finished(machine), root=False)), Deploy(RELEASE))
    assert [phase.name for phase in made.phases] == ["prepare", "switch", "settle"]


def test_a_bare_host_is_made_ready_first() -> None:
    found = fleet(BLOCKS["one"])
    made = plan(found, state(found, bare), Deploy(RELEASE))
    assert [phase.name for phase in made.phases] == ["provision", "firewall", "prepare", "switch"]
    names = [step.name for step in made.phases[0].steps]
    assert names == ["packages", "account", "node", "pm2", "unit", "rotation", "redis", "postgres", "limits", "site"]


@pytest.mark.parametrize("goal", [Deploy(RELEASE), Restart(), Rollback("old")], ids=lambda goal: type(goal).__name__)
def test_where_nobody_can_look_from_here_the_host_proves_itself(goal: Goal) -> None:
    found = fleet(BLOCKS["one"])
    seen = state(found, finished)
    gates = {unseen: plan(found, replace(seen, unseen=unseen), goal) for unseen in ("", "nobody knows")}
    switches = {unseen: next(phase for phase in made.phases if phase.name == "switch") for unseen, made in gates.items()}
    assert [switch.gate.url if switch.gate else None for switch in switches.values()] == ["http://203.0.113.1/health", None]
    assert all("through" in {step.name for step in switch.steps if step.proves} for switch in switches.values())
    assert gates["nobody knows"].notices == ("nobody knows: the release is proved on the host itself",)


def test_users_find_a_host_under_the_name_that_ssh_config_gives_it() -> None:
    made = block_of(Block, {"hosts": [{"address": "web1"}]})
    assert fleets.fleet(APP, made, {}, {}, "203.0.113.7").url == "http://203.0.113.7"
    assert fleets.fleet(APP, made, {}, {}, "2001:db8::7").url == "http://[2001:db8::7]"
    assert fleets.fleet(APP, made, {}).url == "http://web1"
    named = block_of(Block, {"hosts": [{"address": "web1"}], "domain": "chat.example.com"})
    assert fleets.fleet(APP, named, {}, {}, "203.0.113.7").url == "http://chat.example.com"


def test_without_root_a_bare_host_is_refused() -> None:
    found = fleet(BLOCKS["one"])
    with pytest.raises(TargetError, match="needs root for"):
        plan(found, state(found, lambda machine: replace(bare(machine), root=False)), Deploy(RELEASE))


def test_without_root_nothing_is_removed() -> None:
    found = fleet(BLOCKS["one"])
    with pytest.raises(TargetError, match="needs root to remove") as caught:
        plan(found, state(found, lambda machine: replace(finished(machine), root=False)), Remove())
    assert caught.value.exit_code == 3


def test_what_a_purge_left_that_was_killed_at_its_end_is_removed() -> None:
    """Root's own folder for the app is the last thing to go."""
    found = fleet(BLOCKS["one"])
    left = state(found, lambda machine: replace(bare(machine), markers={machine.lock: ""}))
    assert plan(found, left, Remove(purge=True)).changes
    assert not plan(found, left, Remove()).changes
    assert not plan(found, state(found, bare), Remove(purge=True)).changes


def on(machine: Machine, run_set: RunSet, version: str | None) -> RunSet:
    """The same on a Node of that version."""
    return replace(run_set, node=machine.runtime.with_name(version) / "bin" / "node" if version else None)


@pytest.mark.parametrize(
    ("kept", "more", "gone"),
    [
        ("24.19.0", {}, "20.1.0, 22.1.0"),
        ("22.1.0", {}, "20.1.0"),
        ("24.19.0", {"daemon_runtime": "20.1.0"}, "22.1.0"),
        ("24.19.0", {"daemon_runtime": ""}, ""),
        ("24.19.0", {"root": False}, ""),
        (None, {}, ""),
    ],
)
def test_a_node_on_which_nothing_runs_goes_with_the_next_deploy(kept: str | None, more: dict[str, Any], gone: str) -> None:
    """One that a kept release would run on stays, and that of PM2; and all where that is not known."""
    found = fleet(BLOCKS["one"])

    def look(machine: Machine) -> HostFacts:
        facts = finished(machine)
        recipes = {"old": Recipe(on(machine, facts.there.recipes["old"].run_set, kept), None)}
        sets = tuple(replace(one, run_set=on(machine, one.run_set, NODE.version)) for one in facts.there.sets)
        there = replace(facts.there, sets=sets, recipes=recipes)
        runtimes = ("20.1.0", "22.1.0", NODE.version)
        return replace(facts, runtimes=runtimes, there=there, **{"daemon_runtime": NODE.version, **more})

    steps = {step.name: step for step in plan(found, state(found, look), Deploy(RELEASE)).steps()}
    assert ("old_node" in steps) == bool(gone)
    assert not gone or gone in steps["old_node"].title
    assert "old_node" not in {step.name for step in plan(found, state(found, look), Restart()).steps()}


@pytest.mark.parametrize(
    ("more", "gone"), [({}, ["delete pm2-1, from which nothing runs any more"]), ({"root": False}, []), ({"tools": ()}, [])]
)
def test_a_pm2_from_which_nothing_runs_goes_with_the_next_change(more: dict[str, Any], gone: list[str]) -> None:
    found = fleet(BLOCKS["one"])

    def look(machine: Machine) -> HostFacts:
        return replace(finished(machine), **{"tools": ("pm2-1", machine.pm2.name), **more})

    made = {step.name: step for step in plan(found, state(found, look), Deploy(RELEASE)).steps()}
    assert [step.title for name, step in made.items() if name == "old_pm2"] == gone


SERVERS = ("nginx", "postgresql", "redis-server")
SITE = "/etc/nginx/conf.d/chatops-my-chat.conf"
STOPPED = {"nginx.service": Unit("failed", "enabled"), "pm2-my-chat.service": Unit("active", "disabled")}
BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("packages", {"packages": {}}, "not installed: " + ", ".join(sorted((*packages.BASE, *SERVERS, "logrotate", "ufw")))),
    ("unit", {"units": {}}, "pm2-my-chat.service is not there"),
    ("unit", {"units": STOPPED}, "pm2-my-chat.service is disabled"),
    ("site", {"units": STOPPED}, "nginx.service is failed"),
    ("node", {"runtimes": ()}, "Node.js 24.19.0 is not there"),
    ("account", {"app_user": False}, "the user my-chat is not there"),
    ("site", {"markers": {}}, f"{SITE} is not there"),
    ("site", {"stamps": {}}, "not done there yet"),
    ("site", {"stamps": {"site": "of another version"}}, "would be done otherwise now"),
    ("firewall", {"firewall": "inactive"}, "ufw is not on"),
    ("firewall", {"rules": frozenset(), "markers": {PurePosixPath("/var/lib/chatops/my-chat/rules"): "allow 80/tcp"}},
     "`ufw allow 80/tcp` is gone"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "more", "why"), BROKEN)
def test_what_broke_since_is_mended_and_the_plan_says_why(step: str, more: dict[str, Any], why: str) -> None:
    found = fleet(BLOCKS["one"])
    machine = found.machines["203.0.113.1"]
    assert due(machine, finished(machine)) == ()
    made = plan(found, state(found, lambda machine: replace(finished(machine), **more)), Deploy(RELEASE))
    told = next(one for one in made.steps() if one.name == step)
    assert (told.reason, told.detail) == ("create" if why == "not done there yet" else "change", why)


def test_what_somebody_changed_in_the_site_is_shown() -> None:
    machine = fleet(BLOCKS["one"]).machines["203.0.113.1"]
    facts = finished(machine)
    edited = {path: text.replace("send_timeout 30s;", "send_timeout 9s;\x1b[31m") for path, text in facts.markers.items()}
    (step,) = due(machine, replace(facts, markers=edited))
    _, *lines = step.detail.splitlines()
    assert lines == ["-  send_timeout …", "+  send_timeout 30s;"]
    ends = {path: text.replace("\n", "\r\n") for path, text in facts.markers.items()}
    assert [step.detail for step in due(machine, replace(facts, markers=ends))] == ["its lines end otherwise"]


def test_a_fleet_names_the_host_of_each_of_roots_steps() -> None:
    found = fleet(BLOCKS["three"])
    made = plan(found, state(found, bare), Deploy(RELEASE))
    gone = plan(found, state(found, finished), Remove())
    for step in (*made.steps(), *gone.steps()):
        assert step.title.startswith(f"{step.host}: ")  # type: ignore[attr-defined]


UNITS = {
    "postgresql.service": ("postgres", "postgresql"),
    "postgresql@15-main.service": ("postgres", "postgresql"),
    "redis-server@my-chat.service": ("redis", "redis-server"),
    "certbot.timer": ("certificate", "certbot"),
    "nginx.service": ("site", "nginx"),
}
HOWS = {"stopped": Unit("inactive", "enabled"), "failed": Unit("failed", "enabled"), "unknown": None}
OFF = {"off at boot": Unit("active", "disabled")}
TROUBLES = [
    pytest.param(unit, how, id=f"{unit} {word}")
    for unit in UNITS
    # What starts at boot is the unit of all clusters of PostgreSQL.
    for word, how in (HOWS if "@15" in unit else HOWS | OFF).items()
]


@pytest.mark.parametrize(("unit", "how"), TROUBLES)
def test_a_unit_that_does_not_run_is_brought_back_and_told(unit: str, how: Unit | None) -> None:
    step, name = UNITS[unit]
    found = fleet(BLOCKS["one with tls"])

    def look(machine: Machine) -> HostFacts:
        facts = finished(machine)
        others = {key: one for key, one in facts.units.items() if key != unit}
        return replace(facts, units={**others, unit: how} if how else others)

    assert step in {one.name for one in plan(found, state(found, look), Deploy(RELEASE)).phases[0].steps}
    said = {one.name.partition(" ")[2]: one.status for one in findings(found, state(found, look))}
    assert said[name] == "error"


@pytest.mark.parametrize("name", BLOCKS)
def test_only_what_a_host_is_for_has_to_run_there(name: str) -> None:
    """A host without stores, or without TLS, may have anybody's PostgreSQL, Redis and certbot, which are left alone."""
    for machine in fleet(BLOCKS[name]).machines.values():
        steps = {step.name for step in due(machine, bare(machine))}
        assert {units(machine)[unit] for unit in stopped(machine, bare(machine))} == steps & set(units(machine).values())


NOTED = "allow 80/tcp\nallow from 10.0.0.1 to any port 8000 proto tcp\n"
SEEN = {"all": NOTED.splitlines(), "more": [*NOTED.splitlines(), "allow 9999/tcp"], "unknown": None, "less": ["allow 80/tcp"]}


@pytest.mark.parametrize("case", SEEN)
def test_a_rule_of_the_firewall_that_is_gone_is_put_back_and_told(case: str) -> None:
    """A login that may not read the rules sees none missing."""
    found, there = fleet(BLOCKS["three"]), SEEN[case]

    def look(machine: Machine) -> HostFacts:
        facts = finished(machine)
        markers = {**facts.markers, firewall.note(machine): NOTED}
        return replace(facts, markers=markers, rules=None if there is None else frozenset(there))

    made = plan(found, state(found, look), Deploy(RELEASE))
    assert ("firewall" in {phase.name for phase in made.phases}) is (case == "less")
    told = [one for one in findings(found, state(found, look)) if one.name.endswith(" firewall")]
    said = {one.message for one in told if one.status == "error"}
    assert said == ({"`ufw allow from 10.0.0.1 to any port 8000 proto tcp` is gone"} if case == "less" else set())


def test_a_firewall_that_was_switched_off_is_told_and_put_up_again() -> None:
    """Where it was up once: on a new host it is not missed."""
    found = fleet(BLOCKS["one"])
    for look, told in ((finished, ["ufw is off"]), (bare, [])):
        seen = state(found, lambda machine, look=look: replace(look(machine), firewall="inactive"))
        assert "firewall" in {phase.name for phase in plan(found, seen, Deploy(RELEASE)).phases}
        assert [one.message for one in findings(found, seen) if one.name.endswith(" firewall")] == told


def test_from_which_port_we_came_makes_no_other_firewall() -> None:
    machine = fleet(BLOCKS["one"]).machines["203.0.113.1"]
    steps = [firewall.step(machine, port) for port in (0, 22, 2222)]
    assert len({step.digest for step in steps}) == 1
    assert "for port in 2222 " in steps[2].action


TAKEN: list[tuple[str, dict[int, str], str]] = [
    ("one", {80: "other"}, "port 80 for any host name"),
    ("three", {8000: "other"}, "port 8000 for any host name"),
    ("one with tls", {80: "other"}, ""),
    ("one", {8000: "other"}, ""),
]


@pytest.mark.parametrize(("name", "taken", "words"), TAKEN)
def test_a_second_app_whose_requests_nginx_could_not_tell_is_refused(name: str, taken: dict[int, str], words: str) -> None:
    found = fleet(BLOCKS[name])
    seen = state(found, lambda machine: replace(bare(machine), taken=taken))
    if not words:
        assert plan(found, seen, Deploy(RELEASE)).changes
        return
    with pytest.raises(ConfigError, match=f"has the app `other` already, which answers on {words}"):
        plan(found, seen, Deploy(RELEASE))


def test_nginx_learns_of_many_new_workers_when_they_are_good_and_of_gone_ones_before() -> None:
    found = fleet(BLOCKS["one"])
    seen = state(found, finished)
    assert [phase.name for phase in plan(found, seen, Scale(13)).phases] == ["prepare", "provision"]
    many = fleet({**BLOCKS["one"], "workers": 13})
    assert [phase.name for phase in plan(found, state(many, finished), Scale(1)).phases] == ["provision", "settle"]


def test_a_few_workers_more_or_less_are_no_news_to_nginx_and_need_no_root() -> None:
    found = fleet(BLOCKS["one"])
    seen = state(found, lambda machine: replace(finished(machine), root=False))
    assert [phase.name for phase in plan(found, seen, Scale(12)).phases] == ["prepare"]
    assert [phase.name for phase in plan(found, seen, Scale(1)).phases] == ["settle"]


def test_every_slot_leads_to_a_worker_at_every_moment(tmp_path: Path) -> None:
    """The slots of a set that grows and shrinks, while somebody opens one after the other."""
    run_set = RunSet("set", APP.name, "set", "e", "node server.js", (), Layout(PurePosixPath(tmp_path)))
    folder = Path(run_set.folder)
    folder.mkdir(parents=True)
    for number in range(5):
        (folder / f"{number}.sock").touch()
    machine = fleet(BLOCKS["one"]).machines["203.0.113.1"]
    where = replace(fleet(BLOCKS["one"]).site(machine, bare(machine)), layout=run_set.layout)
    absent = []

    def change(workers: int) -> None:
        process = subprocess.Popen(["sh", "-euc", steps.lead(where, run_set, workers)])
        while process.poll() is None:
            absent.extend(slot for slot in range(12) if (folder / "slot.0").exists() and not (folder / f"slot.{slot}").exists())
        assert process.returncode == 0

    subprocess.run(["sh", "-euc", steps.lead(where, run_set, 2)], check=True)
    for workers in (5, 1, 3):
        change(workers)
        led = [(folder / f"slot.{slot}").readlink().name for slot in range(12)]
        assert led == [f"{slot % workers}.sock" for slot in range(12)]
    assert absent == []


def test_a_host_that_is_down_stops_a_deploy_unless_it_may_be_left_out() -> None:
    found = fleet(BLOCKS["three"])
    seen = state(found, finished)
    hosts = {key: facts for key, facts in seen.hosts.items() if key != "203.0.113.2"}
    seen = replace(seen, hosts=hosts, unreachable={"203.0.113.2": "no answer"})
    with pytest.raises(TargetError, match="no answer"):
        plan(found, seen, Deploy(RELEASE))
    made = plan(found, seen, Deploy(RELEASE, skip_unreachable=True))
    assert {step.host for step in made.steps()} == {"203.0.113.3"}  # type: ignore[attr-defined]
    assert "203.0.113.2 is left out" in made.notices[0]


def test_a_fleet_that_is_not_whole_says_so() -> None:
    machines = fleet(BLOCKS["three"]).machines
    first, second = (finished(machines[address]) for address in ("203.0.113.2", "203.0.113.3"))
    assert list(fleets.notices([first, second], {}, "live")) == []

    newer = RunSet("new", APP.name, "new", "e", "node server.js", (), machines["203.0.113.3"].layout)
    there = replace(second.there, sets=(SetFacts(newer, 2, 2, 2),), live="new", releases=(KeptRelease("new", "current", 3.0),))
    mixed = [first, replace(second, there=there)]
    assert [(kept.id, kept.state) for kept in fleets.releases(mixed)][:2] == [("new", "current"), ("live", "kept")]
    said = list(fleets.notices(mixed, {"203.0.113.1": "no answer"}, "new"))
    assert [notice.partition(":")[0] for notice in said] == ["203.0.113.1 is out of reach", "203.0.113.2 serves live"]


def test_all_hosts_are_ready_before_one_is_switched() -> None:
    found = fleet(BLOCKS["three"])
    made = plan(found, state(found, finished), Deploy(RELEASE))
    hosts = {phase.name: [step.host for step in phase.steps] for phase in made.phases}  # type: ignore[attr-defined]
    assert set(hosts["prepare"]) == set(hosts["switch"]) == {"203.0.113.2", "203.0.113.3"}
    assert made.phases[1].gate


def test_workers_are_replaced_when_the_stores_move_to_another_host() -> None:
    moved = {"hosts": [*THREE["hosts"][:2], {**THREE["hosts"][2], "private": "10.0.0.4"}]}
    alone = {"hosts": [{"address": "203.0.113.3"}]}
    environments = []
    for block in (BLOCKS["three"], BLOCKS["three"], moved, alone):
        found = fleet(block)
        made = plan(found, state(found, finished), Deploy(RELEASE))
        carried = dict(programs(found, made, made.phases[0], {}))["203.0.113.3"].members
        environments += [member.path for member in carried if "env" in member.path.parts]
    assert len(environments) == 4
    assert len(set(environments)) == 3


ALONE = {"hosts": [THREE["hosts"][2]]}
MOVES = {
    "nothing": (THREE, THREE, {}),
    "one with the data becomes a fleet": (ALONE, {"hosts": [THREE["hosts"][0], THREE["hosts"][2]]}, {}),
    "two become a fleet": (ALONE, THREE, {"203.0.113.2": "10.0.0.2"}),
    "a fleet becomes one": (THREE, {"hosts": [THREE["hosts"][1]]}, {"203.0.113.2": "10.0.0.3"}),
    "stores elsewhere": (ALONE, {**THREE, "redis": "none", "database": "postgres://u:p@10.0.0.9/x"}, {}),
}


@pytest.mark.parametrize("case", MOVES)
def test_stores_that_are_other_ones_than_before_are_told(case: str) -> None:
    """By host: where its messages are, which stay there."""
    before, after, left = MOVES[case]
    stores = "" if before is ALONE else "10.0.0.3"

    def look(machine: Machine) -> HostFacts:
        facts = finished(machine)
        sets = tuple(replace(one, run_set=replace(one.run_set, stores=stores)) for one in facts.there.sets)
        return replace(facts, there=replace(facts.there, sets=sets))

    found = fleet(after)
    made = plan(found, state(found, look), Deploy(RELEASE))
    told = [notice for notice in made.notices if "not carried over" in notice]
    new = found.machines["203.0.113.2"].peers.data or "10.0.0.2" if left else ""
    assert told == [
        f"{host} gets the PostgreSQL and Redis of {new}: what is stored on {old} is not carried over"
        for host, old in left.items()
    ]
    assert made.apart is bool(left)


def test_our_scripts_travel_only_where_they_are_missing() -> None:
    block = block_of(Block, BLOCKS["three"])
    machines = fleet(BLOCKS["three"]).machines
    there = {machines["203.0.113.2"].scripts / fleets.LAST_SCRIPT: "content"}
    seen = {address: replace(finished(machine), markers={}) for address, machine in machines.items()}
    seen["203.0.113.2"] = replace(seen["203.0.113.2"], markers=there)
    found = fleets.fleet(APP, block, dict.fromkeys(machines, NODE), seen)
    made = plan(found, state(found, finished), Restart())
    carried = {address: program.members for address, program in programs(found, made, made.phases[0], {})}
    assert carried["203.0.113.2"] == ()
    assert fleets.LAST_SCRIPT in {member.path.name for member in carried["203.0.113.3"]}


def at(folder: Path, node: str = NODE.version) -> Machine:
    """A host whose app lies in a folder here, with a Node of that version that says what it is asked to run."""
    machine = replace(fleet(BLOCKS["one"]).machines["203.0.113.1"], layout=Layout(PurePosixPath(folder)))
    program = Path(machine.runtime.with_name(node) / "bin" / "node")
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' {node} \"$@\"\n")
    program.chmod(0o755)
    program.parents[1].with_name("current").symlink_to(node)
    return machine


def test_a_one_off_command_runs_with_the_scripts_and_the_node_of_what_serves(tmp_path: Path) -> None:
    """Another version of this tool deployed it: that version's scripts are there, ours are not."""
    machine = at(tmp_path / "it's here", "22.1.0")
    run_set = RunSet(
        "live", APP.name, "live", "e", "x", (), machine.layout, machine.node_program.parents[2] / "22.1.0/bin/node"
    )
    folder = Path(run_set.folder)
    folder.mkdir(parents=True)
    for name, value in files(run_set, range(2), PurePosixPath("/srv/my-chat/scripts/older")):
        (folder / name).write_text(json.dumps(value))
    done = subprocess.run(["sh", "-c", one_off(machine, run_set, ("echo", "a b"))], capture_output=True, text=True, check=True)
    asked = ["22.1.0", "/srv/my-chat/scripts/older/launch.cjs", "run", str(folder / "0.json"), "echo", "a b"]
    assert done.stdout.splitlines() == asked


@pytest.mark.parametrize(
    ("live", "previous", "to"), [("new", None, None), ("new", "own", "own"), ("own", None, "own"), (None, None, None)]
)
def test_a_host_that_lacks_the_former_release_goes_back_to_its_own(
    live: str | None, previous: str | None, to: str | None
) -> None:
    """It joined the fleet with the deploy that failed, or was left out of the one before."""
    found = fleet(BLOCKS["three"])

    def look(machine: Machine) -> HostFacts:
        if machine.host.address != "203.0.113.3":
            return finished(machine)
        sets = {name: RunSet(name, APP.name, name, "e", "x", (), machine.layout) for name in (live, previous) if name}
        there = Deployed(
            sets=tuple(SetFacts(one, 2, 2, 2) for one in sets.values()),
            live=live,
            previous=previous,
            recipes={name: Recipe(one, None) for name, one in sets.items()},
        )
        return replace(finished(machine), there=there)

    made = plan(found, state(found, look), Rollback("old", bad="new", undo="new"))
    steps = [step for step in made.steps() if step.host == "203.0.113.3" and step.name in {"switch", "forget"}]  # type: ignore[attr-defined]
    seen = [f"wanted={to}\n" in step.action if to else "rm -f" in step.action for step in steps]  # type: ignore[attr-defined]
    assert seen == [True] * (live != to)
    if live:
        with pytest.raises(ConfigError, match=r"`old` is not kept on `203\.0\.113\.3`"):
            plan(found, state(found, look), Rollback("old"))


@pytest.mark.parametrize("goal", [Restart(), Rollback("old")], ids=["restart", "rollback"])
@pytest.mark.parametrize(("there", "folder"), [(True, "/srv/my-chat/tools/pm2-"), (False, "/srv/my-chat/tools/current ")])
def test_workers_are_started_by_the_pm2_that_is_there(goal: Goal, there: bool, folder: str) -> None:
    """Another version of this tool deployed them, with another PM2."""
    found = fleet(BLOCKS["one"])
    seen = state(found, lambda one: replace(finished(one), there=replace(served(one), pm2_installed=there)))
    [start] = [step for step in plan(found, seen, goal).steps() if step.name == "start"]
    assert f"pm2.cjs {folder}" in start.action  # type: ignore[attr-defined]


@pytest.mark.parametrize("there", [NODE.version, "22.1.0"])
def test_workers_are_restarted_on_a_host_that_lacks_the_node_of_the_file(tmp_path: Path, there: str) -> None:
    machine = at(tmp_path, there)
    found = fleet(BLOCKS["one"])
    made = plan(found, state(found, finished), Restart())
    step = for_user(ShellStep(name="ask", title="ask", reason="change", action='"$node" >"$journal.said"'), "203.0.113.1")
    program = Path(machine.layout.state / "prepare.sh")
    program.parent.mkdir(parents=True)
    program.write_text(text(machine, made, made.phases[0], [step], root=False))
    subprocess.run(["sh", program], check=True)
    assert Path(machine.layout.state / "journal.ndjson.said").read_text().split() == [there]


@pytest.mark.parametrize(
    ("days", "status", "message"),
    [
        (60.5, "ok", "ends in 60 days"),
        (19.9, "warning", "ends in 19 days"),
        (6.9, "error", "ends in 6 days"),
        (-0.5, "error", "ended 1 day ago"),
    ],
)
def test_the_doctor_looks_at_the_certificate(days: float, status: str, message: str) -> None:
    for name, hosts in (("one", []), ("one with tls", ["203.0.113.1"]), ("three with tls", ["203.0.113.1"])):
        found = fleet(BLOCKS[name])
        said = findings(found, state(found, lambda machine: replace(finished(machine), certificate_left=days * 86_400)))
        seen = [(one.name, one.status, one.message) for one in said if "certificate" in one.name]
        assert seen == [(f"{host} certificate", status, message) for host in hosts]


def test_the_doctor_tells_the_facts_but_no_text_of_a_file() -> None:
    found = fleet(BLOCKS["three with tls"])

    def look(machine: Machine) -> HostFacts:
        worker = Worker("my-chat-live-0", machine.host.address, "up", 7, 1.5, 2**20, 0, 9.0, "live")
        more: dict[str, Any] = {
            "rules": frozenset({"allow 80/tcp"}),
            "listening": (Listening(80, "*"),),
            "taken": {8000: "other"},
        }
        markers = {site.path(machine): "proxy_set_header Authorization s3cret;"}
        return replace(finished(machine), markers=markers, workers=(worker,), lock=Lock("ana", "deploy", 1.0), **more)

    told = checkup(found, state(found, look))
    answer = json.loads(json.dumps({"v": 1, "target": "vps", "ok": True, "findings": [], "facts": told.facts}))
    hold(answer, "doctor")
    assert set(answer["facts"]) == set(found.machines)
    assert answer["facts"]["203.0.113.2"]["releases"] == {"live": "current", "old": "kept"}
    assert "s3cret" not in json.dumps(answer)


def test_the_doctor_tells_what_is_there() -> None:
    found = fleet(BLOCKS["one"])
    said = {one.name: one.message for one in findings(found, state(found, finished))}
    assert said["203.0.113.1 software"] == f"Node.js {NODE.version}, PM2, nginx 1, postgresql 1, redis-server 1"
    assert said["203.0.113.1 firewall"] == "ufw is on"
    assert said["203.0.113.1 app"] == "serves live, 2 of 2 workers alive"
    nothing = {one.name: one.message for one in findings(found, state(found, bare))}
    assert nothing["203.0.113.1 software"] == "nothing of what the app needs is installed yet"
    assert "203.0.113.1 app" not in nothing


@pytest.mark.parametrize(
    ("room", "words"), [({"disk_free": 1024**2}, "1 MiB free on /srv"), ({"inodes_free": 9}, "9 inodes free")]
)
def test_a_full_disk_is_told_before_anything_is_sent(room: dict[str, int], words: str) -> None:
    found = fleet(BLOCKS["one"])
    seen = state(found, lambda machine: replace(finished(machine), **room))
    with pytest.raises(StepFailed, match=words):
        plan(found, seen, Deploy(RELEASE))
    assert plan(found, seen, Rollback("old")).changes


def test_little_memory_is_warned_about() -> None:
    found = fleet(BLOCKS["one"])
    seen = state(found, lambda machine: replace(finished(machine), memory_free=200 * 1024**2))
    assert plan(found, seen, Deploy(RELEASE)).notices[0].startswith("203.0.113.1 has 200 MiB of memory free, about 480 MiB")


def test_what_serves_over_tls_goes_on_while_a_new_name_is_proved() -> None:
    """The authority asks over HTTP for the new name; the old name's site is not touched until the answer is good."""
    [machine] = fleet(BLOCKS["one with tls"]).machines.values()
    there = site.text(machine, secure=True)
    other = replace(machine, block=replace(machine.block, domain="new.example.com"))
    facts = replace(finished(machine), markers={site.path(machine): there})
    names = [step.name for step in due(other, facts)]
    assert names == ["site_http", "certificate", "site"]
    asked = site.asked(other, there)
    assert "server_name new.example.com;" in asked
    assert site.plain(there.replace(site.generation(there), site.generation(asked))) in site.plain(asked)
    mailed = replace(machine, block=replace(machine.block, tls=Tls(email="other@example.com")))
    assert [step.name for step in due(mailed, facts)] == ["certificate"]


@pytest.mark.parametrize(("arch", "moved"), [("x86_64", False), ("aarch64", True)])
def test_dependencies_are_installed_again_on_another_architecture(arch: str, moved: bool) -> None:
    """A disk that moves to another machine brings its modules along."""
    found = fleet(BLOCKS["one"])
    [machine] = found.machines.values()
    keys = {modules_key(found.site(machine, replace(bare(machine), arch=one)), "lock") for one in ("x86_64", arch)}
    assert (len(keys) == 2) is moved


def test_passwords_are_in_no_program() -> None:
    found = fleet(BLOCKS["elsewhere"])
    made = plan(found, state(found, bare), Deploy(RELEASE))
    for phase in made.phases:
        for _, program in programs(found, made, phase, {}):
            assert "u:p@" not in program.text


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({**ONE, "tls": {"email": "a@b.c"}}, "needs a `domain`"),
    ({"hosts": []}, "at least 1"),
    ({"hosts": [{"address": "a"}, {"address": "a"}]}, "twice"),
    ({"hosts": [{"address": "a"}, {"address": "b"}]}, "roles"),
    ({**THREE, "firewall": False}, "firewall"),
    ({"hosts": [{"address": "app1", "roles": ["balancer", "app", "data"]}, {**THREE["hosts"][1]}]}, "`app1` is no plain IP"),
    ({"hosts": [THREE["hosts"][0], {**THREE["hosts"][2], "private": "fe80::1%eth0"}]}, "`fe80::1%eth0` is no plain IP"),
    ({**ONE, "redis": "http://x"}, "redis://"),
    ({"hosts": [{"address": "-oProxyCommand=x"}]}, "pattern"),
    ({"hosts": [{"address": "a", "host_key": "MD5:x"}]}, "pattern"),
]


def test_hosts_of_a_fleet_may_have_names_beside_their_addresses() -> None:
    made = block_of(Block, {"hosts": [{**host, "address": f"host{n}"} for n, host in enumerate(THREE["hosts"])]})
    assert fleets.fleet(APP, made, {}).machines["host1"].peers.apps == ("10.0.0.2", "10.0.0.3")


@pytest.mark.parametrize(("block", "words"), REFUSED)
def test_blocks_that_make_no_sense(block: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        block_of(Block, block)
