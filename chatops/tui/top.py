"""The first lines: what is watched and how it stands; with several targets a row for each."""

from __future__ import annotations

from textual import events
from textual.message import Message

from chatops.board import Board, TargetBoard
from chatops.tui.paint import NOTHING, STATES, Row, clock, fit, fit_end, latency_bar, milliseconds, width_of
from chatops.tui.painted import Painted

TINY = 60
"""Below this width there are no tiles: the first line says the most important of them."""


class TopLine(Painted):
    """One line: state, target, address, time. It says everything where there is room for nothing else."""

    always = True
    paused = False
    read_only = False

    def rows(self, board: Board, target: str) -> list[Row]:
        """State and reason left, the time and what is switched off right."""
        of = board.targets[target]
        word, reason = of.state(board.clock())
        shape, role = STATES[word]
        left: Row = [(f" {shape} {word} ", role), (f" {target} ", "name")]
        if self.size.width >= TINY:
            left.insert(0, (" chatops ", "strong"))
        else:
            left += [(f" {of.up}/{len(of.serving)} up ", "plain"), (f" p95 {milliseconds(of.latency(95))} ", "plain")]
        left += [(f" {of.url} ", "dim")] if of.url and self.size.width >= TINY else []
        left += [(f" {reason} ", role)] if reason else []
        left += [(f" {of.step} ", "info")] if of.step else []
        roomy = self.size.width >= TINY
        flags = (("PAUSED", self.paused), ("read-only", self.read_only and roomy), (clock(board.clock()), roomy))
        right = "".join(f"{word}  " for word, on in flags if on)[:-1]
        room = self.size.width - len(right) - 1
        return [[*_cut(left, room), (" " + right, "warn" if self.paused else "dim")]]


def _cut(row: Row, width: int) -> Row:
    """The row in exactly `width` cells."""
    cut: Row = []
    for text, role in row:
        room = width - width_of(cut)
        cut.append((text if width_of([(text, role)]) <= room else fit(text, room), role))
    return [*cut, (" " * max(0, width - width_of(cut)), "plain")]


class Overview(Painted):
    """A row for every target where there are several, else nothing; on little room all of them in one row."""

    class Picked(Message):
        """The screen shall show this target."""

        def __init__(self, target: str) -> None:
            super().__init__()
            self.target = target

    def rows(self, board: Board, target: str) -> list[Row]:
        """Name, state, workers, latency, release and the newest probes of each."""
        if len(board.targets) < 2:
            return []
        if self.screen.has_class("-short") or self.screen.has_class("-narrow"):
            return [_tabs(board, target)]
        return [_line(of, of.name == target, board.clock(), self.size.width) for of in board.targets.values()]

    def on_click(self, event: events.Click) -> None:
        """A click picks the target of that row."""
        offset = event.get_content_offset(self)
        names = [row[0][0][2:].strip() for row in self._rows]
        if offset and len(self._rows) > 1 and offset.y < len(names):
            self.post_message(self.Picked(names[offset.y]))


def _tabs(board: Board, target: str) -> Row:
    row: Row = []
    for of in board.targets.values():
        shape, role = STATES[of.state(board.clock())[0]]
        name = f"[{of.name}]" if of.name == target else f" {of.name} "
        row += [(f" {shape}", role), (name, "strong" if of.name == target else "dim")]
    return row


def _line(of: TargetBoard, current: bool, now: float, width: int) -> Row:
    word, reason = of.state(now)
    shape, role = STATES[word]
    newest = list(of.health)[-12:]
    probes = "".join(latency_bar(sample.latency_ms) if sample.ok else "✖" for sample in newest).rjust(12)
    workers = f"{of.up}/{len(of.serving)} up" if of.workers else NOTHING
    row: Row = [
        (("▶ " if current else "  ") + fit(of.name, 16), "strong" if current else "name"),
        (fit(f"{shape} {word}", 12), role),
        (fit(workers, 10), "plain"),
        (fit(f"p95 {milliseconds(of.latency(95))}", 13), "plain"),
        (probes + " ", "info"),
        (fit_end(of.release or NOTHING, 21) + " ", "name"),
    ]
    return [*row, (fit(reason, width - width_of(row)), role)]
