"""Deploys to a real host over SSH: chatops beside pyinfra and ansible-core, which do the same work without a gate."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from benchmarks.deploy_peers import Peer, peer
from benchmarks.table import report, timed
from tests.e2e.yard import PACKAGES, Yard
from tests.rig.link import Link
from tests.rig.mirror import node_mirror
from tests.rig.rig import Rig

ROUNDS = int(os.environ.get("ROUNDS", "3"))
RTT = 0.04
"""The round trip of the link that is far, in seconds."""
COLUMNS = ("what", "who", "goal", "min", "median", "max")
IDLE, CHANGED, FAR = "nothing to do", "one file changed", ", 40 ms away"
BACK, FLIP = "rollback, warm", "rollback, warm: until users meet the old release"
GOALS = {
    IDLE: "<= 1/4 of pyinfra",
    IDLE + FAR: "<= 1/4 of pyinfra",
    CHANGED: "<= pyinfra",
    CHANGED + FAR: "<= pyinfra",
    BACK: "<= 1",
}
Seconds = dict[tuple[str, str], list[float]]


def main() -> None:
    """Prints the table and writes the results."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rig = stack.enter_context(Rig.open())
        mirror = stack.enter_context(node_mirror(rig.engine.gateway()))
        host = stack.enter_context(rig.borrowed(rig.warm(*PACKAGES)))
        near, far = (stack.enter_context(rig.link(host, delay)) for delay in (0.0, RTT / 2))
        (place := folder / "yard").mkdir()
        yard = Yard(place, [host], mirror)
        bootstrap = timed(yard.deploy)
        for name, link in (("near", near), ("far", far)):
            configure(yard, name, link)
        others = [peer(name, folder, yard, link.address, link.port) for name, link in (("pyinfra", near), ("ansible", near))]
        others.append(peer("pyinfra", folder, yard, far.address, far.port))
        for other in others[:2]:
            other.run()  # the first run installs
        seconds: Seconds = {}
        for number in range(ROUNDS):
            one_round(seconds, yard, number, [one for one in others if one.name != "ansible" or not number])
        facts = [counted(yard, "near", near), counted(yard, "far", far)]
    report(
        "deploy", "Deploys to a server over SSH, in seconds", COLUMNS, [*rows(seconds, bootstrap), *facts], list(notes(seconds))
    )


def configure(yard: Yard, name: str, link: Link) -> None:
    """NAME.yaml: the same target over `link`."""
    file = json.loads((yard.folder / "chatops.yaml").read_text())
    file["targets"]["vps"]["hosts"] = [{**yard.entry(yard.host), "address": link.address, "port": link.port}]
    (yard.folder / f"{name}.yaml").write_text(json.dumps(file))


def deploy(yard: Yard, name: str) -> None:
    """One whole command, over the link of that name."""
    yard.chatops("-c", f"{name}.yaml", "-q", "deploy", "vps", "--yes")


def one_round(seconds: Seconds, yard: Yard, number: int, others: list[Peer]) -> None:
    """Every measurement once; the folder's release serves at its end, as at its beginning."""

    def all_of(what: str, name: str, ending: str) -> None:
        measured(seconds, what + ending, "chatops", lambda: deploy(yard, name))
        for other in others:
            if other.address == address(yard, name):
                measured(seconds, what + ending, other.name, other.run)

    for name, ending in (("near", ""), ("far", FAR)):
        all_of(IDLE, name, ending)
        yard.change(f"round {number}, {name}")
        all_of(CHANGED, name, ending)
        if name == "near":
            measured(seconds, BACK, "chatops", lambda: seconds.setdefault((FLIP, "chatops"), []).append(rollback(yard)))
            deploy(yard, name)


def address(yard: Yard, name: str) -> str:
    """Where a link is."""
    return str(json.loads((yard.folder / f"{name}.yaml").read_text())["targets"]["vps"]["hosts"][0]["address"])


def measured(seconds: Seconds, what: str, who: str, work: Callable[[], object]) -> None:
    """Adds how long `work` takes."""
    seconds.setdefault((what, who), []).append(timed(work))


def rollback(yard: Yard) -> float:
    """Seconds from the command to the rename that moves all traffic."""
    begun = time.time()
    events = yard.events("-c", "near.yaml", "rollback", "vps", "--yes")
    done = next(event for event in events if event["type"] == "step_finished" and event["step"] == "switch")
    return datetime.fromisoformat(done["time"]).timestamp() - begun


def counted(yard: Yard, name: str, link: Link) -> list[str]:
    """How often a deploy with nothing to do waits for the host: changes of direction on its connection, halved."""
    before = link.traffic
    deploy(yard, name)
    trips, sent = link.traffic.round_trips - before.round_trips, link.traffic.up - before.up
    return [
        f"{IDLE}{FAR if name == 'far' else ''}: round trips ({sent / 1024:.0f} KiB sent)",
        "chatops",
        "<= 10",
        *[f"{trips:.0f}"] * 3,
    ]


def rows(seconds: Seconds, bootstrap: float) -> Iterator[list[str]]:
    """The table."""
    yield ["a bare host, packages downloaded", "chatops", "<= 90", *[f"{bootstrap:.1f}"] * 3]
    for (what, who), values in sorted(seconds.items()):
        goal = GOALS.get(what, "-") if who == "chatops" else "-"
        yield [what, who, goal, *(f"{value:.2f}" for value in (min(values), statistics.median(values), max(values)))]


def notes(seconds: Seconds) -> Iterator[str]:
    """What the table does not say."""
    yield f"{ROUNDS} rounds, taken in turns, of whole commands on one host (ansible: one round, it is slow)."
    yield "chatops proves a release on its workers and through nginx, and measures what users feel; the others prove nothing."
    for what, goal in GOALS.items():
        ours, theirs = seconds[what, "chatops"], seconds.get((what, "pyinfra"))
        if theirs:
            yield f"{what}: {statistics.median(ours) / statistics.median(theirs):.2f} of pyinfra's time (goal: {goal})."


if __name__ == "__main__":
    main()
