"""One log line or mark as rows of text with roles; no widget in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from rich.cells import chop_cells

from chatops.board import Entry, Mark
from chatops.events import LogLine
from chatops.frozen import frozen
from chatops.tui.paint import LEVELS, Piece, Row, clock, fit, fit_end, hue, span

Stamps = Literal["local", "utc", "ago", "off"]
STAMPS: tuple[Stamps, ...] = ("local", "utc", "ago", "off")
MARKS = {"release": "▼", "step": "›", "notice": "!", "finished": "■", "user": "✎"}
MOST_FOUND = 50
"""So many matches of one line are highlighted; more would only cost."""


@frozen
class Look:
    """How entries are shown: `width` cells wide (0: not wrapped), names in `names` cells, `found` highlighted."""

    width: int = 0
    names: int = 18
    stamps: Stamps = "local"
    found: re.Pattern[str] | None = None
    with_target: bool = False

    @property
    def indent(self) -> int:
        """Cells before the message."""
        stamp = 0 if self.stamps == "off" else 9
        return stamp + self.names + 3

    @property
    def body(self) -> int:
        """Cells for the message on each row; 0: as many as it takes."""
        return max(10, self.width - self.indent) if self.width else 0


def height(entry: Entry, look: Look) -> int:
    """How many rows an entry takes."""
    if not look.width or isinstance(entry, Mark):
        return 1
    if entry.message.isascii():
        return max(1, -(-len(entry.message) // look.body))
    return max(1, len(chop_cells(entry.message, look.body)))


def rows(entry: Entry, look: Look, now: float) -> list[Row]:
    """The rows of an entry, from top to bottom."""
    stamp = _stamp(entry.time, look, now)
    if isinstance(entry, Mark):
        return [_mark(entry, stamp, look)]
    letter, role = LEVELS[entry.level]
    head: Row = [
        (stamp, "dim"),
        (fit_end(_name(entry, look), look.names) + " ", hue(entry.worker or entry.source)),
        (letter + " ", role),
    ]
    chunks = chop_cells(entry.message, look.body) if look.body else [entry.message]
    base = role if entry.level in ("error", "warning", "debug") else "plain"
    bodies = _highlighted(chunks or [""], entry.message, look.found, base)
    return [(head if index == 0 else [(" " * look.indent, "plain")]) + body for index, body in enumerate(bodies)]


def text(entry: Entry) -> str:
    """An entry as a line of a saved file."""
    stamp = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(entry, Mark):
        return f"{stamp} -- {entry.message}"
    return f"{stamp} {entry.target}/{entry.worker or entry.source} {entry.level} {entry.message}"


def _stamp(time: float, look: Look, now: float) -> str:
    if look.stamps == "off":
        return ""
    return fit(span(now - time), 8, right=True) + " " if look.stamps == "ago" else clock(time, look.stamps == "utc") + " "


def _name(line: LogLine, look: Look) -> str:
    name = line.worker or line.source
    return f"{line.target}/{name}" if look.with_target else name


def _mark(mark: Mark, stamp: str, look: Look) -> Row:
    role = LEVELS[mark.level][1] if mark.level in ("error", "warning") else "mark" if mark.kind != "step" else "info"
    where = f"{mark.target}: " if look.with_target and mark.target else ""
    body = f"{MARKS[mark.kind]} {where}{mark.message}"
    if mark.kind == "step":
        return [(stamp, "dim"), (" " * (look.names + 1), "plain"), (body, role)]
    return [(stamp, "dim"), (f"──── {body} ────", role)]


def _highlighted(chunks: list[str], message: str, found: re.Pattern[str] | None, base: str) -> Iterator[Row]:
    """The chunks as rows, what `found` matches in its own role, also where a match goes over a row's end."""
    spans = [match.span() for match, _ in zip(found.finditer(message), range(MOST_FOUND), strict=False)] if found else []
    start = 0
    for chunk in chunks:
        yield _pieces(chunk, [(begin - start, end - start) for begin, end in spans], base)
        start += len(chunk)


def _pieces(chunk: str, spans: list[tuple[int, int]], base: str) -> Row:
    row: list[Piece] = []
    at = 0
    for begin, end in spans:
        begin, end = max(begin, at), min(end, len(chunk))
        if begin < end:
            row += [(chunk[at:begin], base), (chunk[begin:end], "found")]
            at = end
    return [*row, (chunk[at:], base)]
