"""The worker table: state, CPU and memory with their history, restarts, uptime; a chosen worker filters the logs."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from chatops.board import Board, TargetBoard
from chatops.board.target import Series
from chatops.model import Worker
from chatops.tui.paint import NOTHING, WORKERS, Row, fit, fit_end, number, size, span, spark
from chatops.tui.painted import Painted

SORTS = ("trouble", "name", "cpu", "memory", "restarts")
FIXED = 10 + 8 + 8 + 8 + 9 + 9
"""Cells of pid, state, CPU, memory, restarts and uptime; the rest is for names and charts."""


class WorkerTable(Painted, can_focus=True):
    """One row a worker under a row of titles; the rows that fit follow the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "worker above", show=False),
        Binding("down,j", "move(1)", "worker below", show=False),
        Binding("enter", "choose", "its logs", key_display="enter"),
        Binding("s", "sort", "sort"),
    ]

    class Chosen(Message):
        """The logs shall show this worker alone; empty: all of them."""

        def __init__(self, worker: str) -> None:
            super().__init__()
            self.worker = worker

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chosen = ""
        self.sort = SORTS[0]
        self._cursor = 0
        self._top = 0
        self._shown: list[Worker] = []

    def rows(self, board: Board, target: str) -> list[Row]:
        """Titles, then the workers in the chosen order."""
        of = board.targets[target]
        self._shown = ordered(of.workers, self.sort)
        self._cursor = max(0, min(self._cursor, len(self._shown) - 1))
        room = max(1, self._room - 1)
        self._top = max(self._cursor - room + 1, min(self._top, self._cursor), 0)
        name, chart = _widths(self.size.width)
        titles = _titles(name, chart, self.sort, len(self._shown))
        return [titles, *(self._row(of, index, name, chart) for index in range(self._top, len(self._shown))[:room])]

    @property
    def _room(self) -> int:
        limit = self.styles.max_height
        return int(limit.value) if limit else 10

    def _row(self, of: TargetBoard, index: int, name: int, chart: int) -> Row:
        worker = self._shown[index]
        pointer = "▶" if index == self._cursor and self.has_focus else " "
        tick = "◆" if self.chosen == worker.name else " "
        label = fit_end(worker.name, name - 1)
        role = "cursor" if pointer == "▶" else "name"
        figures = _figures(worker, _word(worker, of), of.series[worker.host, worker.name], chart)
        return [(pointer + tick, "mark"), (label + " ", role), *figures]

    def action_move(self, by: int) -> None:
        """Moves the cursor."""
        self._cursor = max(0, min(self._cursor + by, len(self._shown) - 1))
        self.post_message(self.Changed())

    def action_choose(self) -> None:
        """Shows the logs of the worker under the cursor alone, or of all again."""
        if self._shown:
            name = self._shown[self._cursor].name
            self.post_message(self.Chosen("" if self.chosen == name else name))

    def action_sort(self) -> None:
        """Goes to the next order."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.post_message(self.Changed())

    class Changed(Message):
        """The pane wants to be painted again."""

    def on_focus(self) -> None:
        """Shows the cursor."""
        self.post_message(self.Changed())

    def on_blur(self) -> None:
        """Hides the cursor."""
        self.post_message(self.Changed())

    def on_click(self, event: events.Click) -> None:
        """A click on a row chooses its worker."""
        row = event.get_content_offset(self)
        if row and 0 < row.y <= len(self._shown) - self._top:
            self._cursor = self._top + row.y - 1
            self.action_choose()

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves the cursor."""
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        """The wheel moves the cursor."""
        self.action_move(-1)


def ordered(workers: tuple[Worker, ...], sort: str) -> list[Worker]:
    """Workers in an order: trouble first, by name, or by a figure (largest first)."""
    by_name = sorted(workers, key=lambda worker: (worker.host, worker.name))
    figures = {
        "trouble": lambda worker: worker.state != "up",
        "name": lambda worker: 0,
        "cpu": lambda worker: worker.cpu_percent or 0.0,
        "memory": lambda worker: worker.memory_bytes or 0,
        "restarts": lambda worker: worker.restarts or 0,
    }
    return sorted(by_name, key=figures[sort], reverse=True)


def _widths(width: int) -> tuple[int, int]:
    """Cells for the name and for each of the two charts."""
    spare = max(0, width - FIXED - 3)
    name = max(12, min(32, spare // 2))
    return name, max(0, min(30, (spare - name) // 2 - 1))


def _titles(name: int, chart: int, sort: str, count: int) -> Row:
    label = fit(f"{count} WORKERS by {sort}" if name >= 24 else f"{count} BY {sort.upper()}", name)
    columns = [fit("PID", 8, right=True), fit("  STATE", 12), fit("CPU", 7, right=True), " " * (chart + 1)]
    columns += [fit("MEMORY", 8, right=True), " " * (chart + 1), fit("RESTARTS", 9, right=True), fit("UPTIME", 9, right=True)]
    return [("  " + label + "".join(columns), "dim")]


def _word(worker: Worker, of: TargetBoard) -> tuple[str, str]:
    """State with its shape; up but of another release than the one that answers is `warm`."""
    if worker.state == "up" and not of.serves(worker):
        return "○ warm", "dim"
    shape, role = WORKERS[worker.state]
    return f"{shape} {worker.state}", role


def _figures(worker: Worker, state: tuple[str, str], series: Series, chart: int) -> Row:
    cpu = NOTHING if worker.cpu_percent is None else f"{worker.cpu_percent:.1f}%"
    return [
        (fit(number(worker.pid), 8, right=True), "dim"),
        (fit(f"  {state[0]}", 12), state[1]),
        (fit(cpu, 7, right=True), "warn" if (worker.cpu_percent or 0) >= 80 else "plain"),
        (" " + spark(series.cpu, chart, 100.0), "info"),
        (fit(size(worker.memory_bytes), 8, right=True), "plain"),
        (" " + spark(series.memory, chart, max(series.memory, default=0.0) * 1.25), "hue-2"),
        (fit(number(worker.restarts), 9, right=True), "warn" if worker.restarts else "dim"),
        (fit(span(worker.uptime_seconds), 9, right=True), "dim"),
    ]
