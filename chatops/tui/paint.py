"""Words, shapes and little charts of the screen, as text with roles; no widget in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import log10
from zlib import crc32

from rich.cells import cell_len, set_cell_size

Piece = tuple[str, str]
"""Text and its role: the name of a component class that `monitor.tcss` gives a look."""
Row = list[Piece]

ROLES = ("ok", "warn", "bad", "info", "dim", "plain", "strong", "name", "mark", "cursor", "found")
HUES = ("hue-1", "hue-2", "hue-3", "hue-4", "hue-5", "hue-6")

STATES = {"healthy": ("●", "ok"), "degraded": ("▲", "warn"), "down": ("✖", "bad"), "unknown": ("◌", "dim")}
WORKERS = {
    "up": ("●", "ok"),
    "starting": ("◌", "info"),
    "stopping": ("◌", "warn"),
    "down": ("✖", "bad"),
    "crashed": ("✖", "bad"),
}
LEVELS = {"debug": ("D", "dim"), "info": ("I", "info"), "warning": ("W", "warn"), "error": ("E", "bad")}
NOTHING = "–"
_EIGHTHS = "▁▂▃▄▅▆▇█"


def hue(name: str) -> str:
    """The same hue for the same name in every run; workers that are numbered through differ from their neighbours."""
    ending = re.search(r"(\d{1,4})$", name)
    number = int(ending[1]) if ending else crc32(name.encode("utf-8", "surrogatepass"))
    return HUES[number % len(HUES)]


def fit(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` cells; what does not fit is cut, with an ellipsis."""
    if width <= 0:
        return ""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - length) + text if right else text + " " * (width - length)


def fit_end(text: str, width: int) -> str:
    """`text` in exactly `width` cells; of a long one the end is kept (the end tells workers apart)."""
    if cell_len(text) <= width:
        return fit(text, width)
    kept = text[-(width - 1) :] if width > 1 else ""
    while cell_len(kept) > width - 1:
        kept = kept[1:]
    return fit("…" + kept, width)


def spark(values: Sequence[float], width: int, top: float) -> str:
    """The newest `width` values as bars from 0 to `top`, newest right; every bar can be seen."""
    shown = list(values)[-width:] if width > 0 else []
    return "".join(bar(value, top) for value in shown).rjust(max(0, width))


def bar(value: float, top: float) -> str:
    """One value between 0 and `top` as a block of one to eight eighths."""
    share = value / top if top > 0 else 0.0
    return _EIGHTHS[max(0, min(7, int(share * 8)))]


def latency_bar(value: float) -> str:
    """A latency in milliseconds on a scale of powers: 1, 3, 10, 32, 100, 316 ms, 1 s, 3 s."""
    return _EIGHTHS[max(0, min(7, int(2 * log10(max(value, 1.0)))))]


def size(count: float | None) -> str:
    """Bytes as people read them: `83.2M`."""
    if count is None:
        return NOTHING
    for unit in ("B", "K", "M"):
        if count < 1000:
            return f"{count:.0f}{unit}" if unit == "B" or count >= 100 else f"{count:.1f}{unit}"
        count /= 1024
    return f"{count:.1f}G"


def span(seconds: float | None) -> str:
    """Seconds as people read them: `42s`, `3m12s`, `5h07m`, `2d04h`."""
    if seconds is None:
        return NOTHING
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def milliseconds(value: float | None) -> str:
    """A latency as people read it: `3.4 ms`, `120 ms`, `2.1 s`."""
    if value is None:
        return NOTHING
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def number(value: float | None) -> str:
    """A count, or the dash that stands for nothing known."""
    return NOTHING if value is None else f"{value:g}"


def speed(latency_ms: float | None) -> str:
    """The role of a latency: below 500 ms well, below 1 s not, above bad."""
    if latency_ms is None:
        return "dim"
    return "ok" if latency_ms < 500 else "warn" if latency_ms < 1000 else "bad"


def clock(time: float, utc: bool = False) -> str:
    """`HH:MM:SS` of epoch seconds, local or UTC."""
    return datetime.fromtimestamp(time, UTC if utc else None).strftime("%H:%M:%S")


def width_of(row: Iterable[Piece]) -> int:
    """How many cells a row fills."""
    return sum(cell_len(text) for text, _ in row)
