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
IDLE, CHANGED = "nothing to do", "one file changed"
COLUMNS = ("what", "hosts", "seconds, median", "CPU seconds of chatops", "CPU seconds of the whole machine")


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

    def cells(self) -> list[str]:
        """The medians."""
        return [f"{statistics.median(values):.2f}" for values in (self.seconds, self.ours, self.machine)]


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
        costs: dict[tuple[str, int], Cost] = {}
        for number in range(ROUNDS):
            for made in (one, ten):
                costs.setdefault((IDLE, len(made.hosts)), Cost()).add(partial(deploy, made))
                made.change(f"round {number}")
                costs.setdefault((CHANGED, len(made.hosts)), Cost()).add(partial(deploy, made))
    report("deploy_fleet", f"A deploy to {COUNT} servers beside one", COLUMNS, list(rows(costs)), list(notes(costs)))


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


def rows(costs: dict[tuple[str, int], Cost]) -> Iterator[list[str]]:
    """The table."""
    for (what, hosts), cost in sorted(costs.items()):
        yield [what, str(hosts), *cost.cells()]


def notes(costs: dict[tuple[str, int], Cost]) -> Iterator[str]:
    """The ratio, and how much of it is this machine's."""
    yield f"{ROUNDS} rounds. Goal: {COUNT} hosts take at most 1.5 times as long as one."
    for what in (IDLE, CHANGED):
        one, ten = (statistics.median(costs[what, hosts].seconds) for hosts in (1, COUNT))
        least = statistics.median(costs[what, COUNT].machine) / (os.cpu_count() or 1)
        yield f"{what}: {ten / one:.2f} times one host; for the work of all hosts the cores here need {least:.1f} s."
    yield "Every host is on this machine: where each has cores of its own, only the CPU seconds of chatops add up."


if __name__ == "__main__":
    main()
