"""What happens while watching, one plain line each. ANSI by hand: at these rates Rich is two orders of magnitude too slow."""

from __future__ import annotations

import time
from zlib import crc32

from chatops.events import HealthSample, Level, LogLine, Notice, WorkerSample
from chatops.loglines import shown
from chatops.watch import Live

RESET = "\x1b[0m"
DIM = "\x1b[2m"
BOLD = "\x1b[1m"
LETTERS: dict[Level, str] = {"debug": "D", "info": "I", "warning": "W", "error": "E"}
COLORS: dict[Level, str] = {"debug": DIM, "info": "", "warning": "\x1b[33m", "error": "\x1b[1;31m"}
# Neither red, yellow nor grey: those say something about levels.
WORKERS = ("\x1b[36m", "\x1b[35m", "\x1b[34m", "\x1b[32m", "\x1b[96m", "\x1b[95m", "\x1b[94m", "\x1b[92m")
WIDEST = 24
"""Columns that a worker's name may take before the message; longer ones keep their end, where they differ."""


def color_of(name: str) -> str:
    """The colour of a worker, the same in every run and on every screen."""
    return WORKERS[crc32(name.encode("utf-8", "replace")) % len(WORKERS)]


class Text:
    """Formats events as lines without a newline; `color` with ANSI colours, `utc` instead of local time."""

    def __init__(self, *, color: bool, utc: bool) -> None:
        self._color = color
        self._zone = time.gmtime if utc else time.localtime
        self._suffix = "Z" if utc else ""
        self._second = -1
        self._date = ""
        self._labels: dict[tuple[str, str], str] = {}
        self._width = 0
        self._marks = {level: self._paint(letter, COLORS[level]) for level, letter in LETTERS.items()}

    def __call__(self, event: Live) -> str:
        """The line of one event."""
        match event:
            case LogLine():
                label = self._labels.get((event.host, event.worker or event.source)) or self._label(event)
                return f"{self._clock(event.time)} {self._marks[event.level]} {label} {shown(event)}"
            case HealthSample():
                return self._own(event.time, "info" if event.ok else "error", _health(event))
            case WorkerSample():
                return self._own(event.time, "info", _workers(event))
            case Notice():
                return self._own(event.time, event.level, event.message)

    def _own(self, moment: float, level: Level, message: str) -> str:
        """A line of ours, told from the app's by its label."""
        label = self._paint(f"{'chatops':<{self._width}}", BOLD)
        return f"{self._clock(moment)} {self._marks[level]} {label} {message}"

    def _clock(self, moment: float) -> str:
        second, thousandth = divmod(round(moment * 1000), 1000)
        if second != self._second:
            self._second = second
            self._date = time.strftime("%m-%d %H:%M:%S", self._zone(second))
        stamp = f"{self._date}.{thousandth:03d}{self._suffix}"
        return f"{DIM}{stamp}{RESET}" if self._color else stamp

    def _label(self, line: LogLine) -> str:
        """Who says it, padded so that messages stand below each other; kept until a longer name comes."""
        key = (line.host, line.worker or line.source)
        name = "/".join(filter(None, key))
        name = name if len(name) <= WIDEST else f"…{name[1 - WIDEST :]}"
        if len(name) > self._width:
            self._width = len(name)
            self._labels.clear()
        self._labels[key] = self._paint(f"{name:<{self._width}}", color_of(key[1]))
        return self._labels[key]

    def _paint(self, text: str, code: str) -> str:
        return f"{code}{text}{RESET}" if self._color and code else text


def _health(sample: HealthSample) -> str:
    word = "healthy" if sample.ok else "unhealthy"
    release = f", release {sample.release}" if sample.release else ""
    reason = f": {sample.message}" if sample.message else ""
    return f"{word} ({sample.status or 'no answer'}, {sample.latency_ms:.0f} ms{release}){reason}"


def _workers(sample: WorkerSample) -> str:
    return "workers: " + (", ".join(f"{worker.name} {worker.state}" for worker in sample.workers) or "none")
