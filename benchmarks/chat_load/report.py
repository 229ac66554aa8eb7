"""The figures as a table: on the screen, and as JSON for the documentation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.chat_load.connections import Connections
from benchmarks.chat_load.fanout import Fanout
from benchmarks.chat_load.rolling import Rolling
from benchmarks.chat_load.stalled import Stalled
from benchmarks.chat_load.subjects import SUBJECTS
from benchmarks.chat_load.workers import Latency
from benchmarks.table import report

COLUMNS = ["measured", "goal", *SUBJECTS, "chat : ws loop", "chat : Socket.IO"]
NOTES = [
    "All in one run on one machine, one server process each; clients are one C program on the other core, over Unix sockets.",
    "The sample chat commits every message to SQLite (synchronous=FULL); the peers keep nothing and number messages in memory.",
    "Where fan-out is compared, that SQLite lies in memory: the disk would be measured. Rows of their own have it on the disk, "
    "where a message waits for fsync before it is acknowledged or shown: what that takes by itself stands beside them.",
    "Capacity: 500 members, all of them senders, frames of about 230 bytes, every delivery timed from the moment its message "
    "was due; the highest rate of a ladder (6 % a rung) at which all arrived and p99 was at most 50 ms in one of two tries. "
    "The ladder ends at 2,391,900: above it the senders would meet their rate limit.",
    "Flooded: the highest fixed rate is offered, whatever the delay. CPU time tells the servers apart on a busy machine too, "
    "where latency and the rates that hang on it tell about the neighbours as well.",
    "Memory of idle connections is growth in resident memory, as it is found and after a forced collection.",
    "A handshake is connect, upgrade, hello with an HMAC-signed token, and welcome, 64 at a time.",
]
Row = list[str]


@dataclass(frozen=True)
class Figures:
    """Everything that was measured; per subject in the order of SUBJECTS where peers are measured too."""

    fanout: list[Fanout]
    on_disk: Fanout
    connections: list[Connections]
    stalled: list[Stalled]
    one_worker: Latency
    one_worker_on_disk: Latency
    disk: Latency
    two_workers: Latency
    rolling: Rolling


def rows(figures: Figures, fixed: Sequence[float]) -> list[Row]:
    return [*_fanout_rows(figures.fanout, fixed), *_connection_rows(figures), *_own_rows(figures)]


def _fanout_rows(fanout: list[Fanout], fixed: Sequence[float]) -> list[Row]:
    capacity = [one.capacity.offered for one in fanout]
    table = [
        _compared("deliveries a second in time", ">= 150,000; 2x; 3x", capacity, "{:,.0f}".format),
        _compared(
            "the load generator's share of its core there",
            "",
            [one.capacity.generator_share for one in fanout],
            "{:.2f}".format,
            ratio=False,
        ),
        _compared("p99 at that rate, ms", "<= 50", [one.capacity.p99_ms for one in fanout], "{:.1f}".format, ratio=False),
        _compared("server CPU per delivery there, us", "<= 8", [one.capacity.cpu_us for one in fanout], "{:.1f}".format),
    ]
    for rate in fixed:
        costs = [one.at[rate].cpu_us for one in fanout]
        table.append(_compared(f"server CPU per delivery, {rate:,.0f} a second offered, us", "", costs, "{:.1f}".format))
    flooded = [1e6 / one.at[max(fixed)].cpu_us for one in fanout]
    return [*table, _compared("deliveries per second of server CPU, flooded", ">= 150,000; 2x; 3x", flooded, "{:,.0f}".format)]


def _connection_rows(figures: Figures) -> list[Row]:
    made, stalled = figures.connections, figures.stalled
    count, megabytes = "{:,.0f}".format, _megabytes
    return [
        _compared("handshakes with token check a second", ">= 2,500", [one.handshakes_per_second for one in made], count),
        _compared("handshakes per second of server CPU", "", [one.handshakes_per_cpu_second for one in made], count),
        _compared("connections that join a room, a second", "", [one.joins_per_second for one in made], count),
        _compared(
            "memory of 10,000 idle joined connections as found, MB", "<= 100", [one.idle_bytes for one in made], megabytes
        ),
        _compared("the same after a forced collection, MB", "", [one.used_bytes for one in made], megabytes),
        _compared("bytes waiting per stalled reader, MB", "<= 2", [one.waiting_bytes for one in stalled], megabytes),
        _compared("memory per stalled reader, MB", "<= 2", [one.memory_bytes for one in stalled], megabytes),
    ]


def _own_rows(figures: Figures) -> list[Row]:
    two, rolling = figures.two_workers, figures.rolling
    return [
        _own("deliveries a second in time, SQLite on this disk", "", f"{figures.on_disk.capacity.offered:,.0f}"),
        _own("1,000 deliveries a second, one worker, SQLite in memory: p50 / p99, ms", "- / 10", _latency(figures.one_worker)),
        _own("the same, SQLite on this disk: p50 / p99, ms", "", _latency(figures.one_worker_on_disk)),
        _own("a page made durable by this disk, alone: p50 / p99, ms", "", _latency(figures.disk)),
        _own("the same, two workers, Redis, PostgreSQL on this disk: p50 / p99, ms", "<= 25 / 100", _latency(two)),
        _own("rolling restart, 1,000 clients: all back, s", "<= 10", f"{rolling.back_seconds:.1f}"),
        _own("rolling restart: lost / doubled", "0 / 0", f"{rolling.lost} / {rolling.doubled}"),
    ]


def _compared(name: str, goal: str, values: Sequence[float], show: Callable[[float], str], ratio: bool = True) -> Row:
    ratios = [f"{values[0] / other:.2f}" if other and ratio else "" for other in values[1:]]
    return [name, goal, *(show(value) for value in values), *ratios]


def _latency(one: Latency) -> str:
    return f"{one.p50_ms:.1f} / {one.p99_ms:.1f}"


def _own(name: str, goal: str, value: str) -> Row:
    return [name, goal, value, *[""] * (len(COLUMNS) - 3)]


def _megabytes(value: float) -> str:
    return f"{value / 1e6:.1f}" if value < 10e6 else f"{value / 1e6:,.0f}"


def write(table: list[Row], node: str, load: float, scheduling: str) -> None:
    """Prints the table, and writes it to the results; `load` is the load average before anything was started."""
    before = f"Node {node}; load average {load:.1f} before anything was started; all processes run {scheduling}."
    report("chat_load", "The sample chat beside a plain ws loop and Socket.IO", COLUMNS, table, [*NOTES, before])
