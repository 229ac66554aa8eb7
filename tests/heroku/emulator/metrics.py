"""Runtime metrics in the log (labs feature log-runtime-metrics): load and memory of every dyno, and R14 above its quota."""

import asyncio
import math
from dataclasses import dataclass

import psutil

from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.dyno import Dyno

MEGABYTE = 1024 * 1024
MINUTES = (1, 5, 15)


@dataclass
class Gauge:
    """What is remembered of one dyno between two samples: CPU seconds used, and the damped loads."""

    seconds: float = 0.0
    loads: tuple[float, ...] = (0.0, 0.0, 0.0)

    def feed(self, seconds: float, every: float) -> None:
        used = max(seconds - self.seconds, 0.0) / every
        weights = [math.exp(-every / (60 * minutes)) for minutes in MINUTES]
        self.loads = tuple(load * weight + used * (1 - weight) for load, weight in zip(self.loads, weights, strict=True))
        self.seconds = seconds


async def run(cloud: Cloud) -> None:
    """Samples every dyno that asked for it, for ever."""
    gauges: dict[str, Gauge] = {}
    while True:
        await asyncio.sleep(cloud.limits.metrics)
        for app in list(cloud.apps.values()):
            for dyno in list(app.dynos.values()):
                if dyno.metrics and dyno.process and dyno.process.returncode is None:
                    _sample(dyno, gauges.setdefault(dyno.id, Gauge()), cloud.limits.metrics)


def _sample(dyno: Dyno, gauge: Gauge, every: float) -> None:
    assert dyno.process is not None
    seconds, resident = _usage(dyno.process.pid)
    gauge.feed(seconds, every)
    start = f"source={dyno.name} dyno=heroku.{dyno.app.number}.{dyno.id} "
    loads = zip(MINUTES, gauge.loads, strict=True)
    dyno.app.log.heroku(dyno.name, start + " ".join(f"sample#load_avg_{minutes}m={load:.2f}" for minutes, load in loads))
    dyno.app.log.heroku(dyno.name, start + _memory(resident, dyno.size.memory))
    if resident > dyno.size.memory * MEGABYTE:
        share = 100 * resident / (dyno.size.memory * MEGABYTE)
        dyno.app.log.heroku(dyno.name, f"Process running mem={resident // MEGABYTE}M({share:.1f}%)")
        dyno.app.log.heroku(dyno.name, "Error R14 (Memory quota exceeded)")


def _memory(resident: int, quota: int) -> str:
    used, pages = f"{resident / MEGABYTE:.2f}MB", resident // 4096
    return (
        f"sample#memory_total={used} sample#memory_rss={used} sample#memory_cache=0.00MB sample#memory_swap=0.00MB "
        f"sample#memory_pgpgin={pages}pages sample#memory_pgpgout=0pages sample#memory_quota={quota}.00MB"
    )


def _usage(pid: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of a process and all below it."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0, 0
    seconds, resident = 0.0, 0
    for process in processes:
        try:
            times = process.cpu_times()
            seconds += times.user + times.system
            resident += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return seconds, resident
