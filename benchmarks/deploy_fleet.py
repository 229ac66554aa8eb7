"""Ten real hosts beside one: how much longer a deploy takes, and what it costs the machine that they all share here."""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.table import report, timed
from tests.e2e.yard import Yard, provisioned
from tests.rig.mirror import Mirror, node_mirror
from tests.rig.rig import Rig

ROUNDS = int(os.environ.get("ROUNDS", "3"))
COUNT = 10
SHARE = 0.15
"""Cores of a host of its own: ten hosts and chatops fit on two cores then, and each host is as fast beside others as alone."""
IDLE, CHANGED = "nothing to do", "one file changed"
OWN, SHARED = f"own {SHARE} cores each", f"the machine's {os.cpu_count()}, shared"
COLUMNS = ("what", "cores", "hosts", "seconds, median", "CPU seconds of chatops", "CPU seconds of the whole machine")


@dataclass
class Cost:
    """What one kind of command took, run by run: seconds, and CPU seconds of the command and of everything here."""

    seconds: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    machine: list[float] = field(default_factory=list)

    def add(self, work: Callable[[], object]) -> None:
        """One run."""
        before = _children(), _busy()
        self.seconds.append(timed(work))
        self.ours.append(_children() - before[0])
        self.machine.append(_busy() - before[1])

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    def cells(self) -> list[str]:
        """The medians."""
        return [f"{statistics.median(values):.2f}" for values in (self.seconds, self.ours, self.machine)]


Costs = dict[tuple[str, str, int], Cost]
"""By what was done, the cores of the hosts, and how many those are."""


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _busy() -> float:
    """CPU seconds since boot of all processes, whoever they belong to (proc_stat(5))."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Prints the table and writes the results."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rig = stack.enter_context(Rig.open())
        mirror = stack.enter_context(node_mirror(rig.engine.gateway()))
        image = provisioned(rig, mirror, folder)
        one = yard(folder / "one", rig, mirror, image, 1)
        ten = yard(folder / "ten", rig, mirror, image, COUNT)
        costs: Costs = {}
        for cores, share, rounds in ((OWN, SHARE, ROUNDS), (SHARED, float(os.cpu_count() or 1), 1)):
            for host in (*one.hosts, *ten.hosts):
                host.limit(share)
            for number in range(rounds):
                for made in (one, ten):
                    measure(costs, made, cores, number)
    report("deploy_fleet", f"A deploy to {COUNT} servers beside one", COLUMNS, list(rows(costs)), list(notes(costs)))


def measure(costs: Costs, made: Yard, cores: str, number: int) -> None:
    """A deploy of each kind."""
    costs.setdefault((IDLE, cores, len(made.hosts)), Cost()).add(partial(deploy, made))
    made.change(f"{cores}, round {number}")
    costs.setdefault((CHANGED, cores, len(made.hosts)), Cost()).add(partial(deploy, made))


def yard(folder: Path, rig: Rig, mirror: Mirror, image: str, count: int) -> Yard:
    """A target of `count` hosts, all of them app hosts, deployed to."""
    folder.mkdir()
    made = Yard(folder, rig.fleet(count, image), mirror)
    made.configure([["balancer", "app", "data"], *[["app"]] * (count - 1)])
    deploy(made)
    return made


def deploy(made: Yard) -> None:
    """One whole command."""
    made.chatops("-q", "deploy", "vps", "--yes")


def rows(costs: Costs) -> Iterator[list[str]]:
    """The table."""
    for (what, cores, hosts), cost in sorted(costs.items()):
        yield [what, cores, str(hosts), *cost.cells()]


def notes(costs: Costs) -> Iterator[str]:
    """The ratios, and how much of those on shared cores is this machine's."""
    yield f"{ROUNDS} rounds, one on shared cores. Goal: {COUNT} hosts take at most 1.5 times as long as one."
    yield f"A host brings its own processor: here each is held to {SHARE} cores of this machine, in both commands."
    for what in (IDLE, CHANGED):
        ratios = {cores: costs[what, cores, COUNT].median / costs[what, cores, 1].median for cores in (OWN, SHARED)}
        least = statistics.median(costs[what, SHARED, COUNT].machine) / (os.cpu_count() or 1)
        yield f"{what}: {ratios[OWN]:.2f} times one host."
        yield f"{what}, all hosts on the cores of one: {ratios[SHARED]:.2f} times, of which they work {least:.1f} s at least."


if __name__ == "__main__":
    main()
