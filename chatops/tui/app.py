"""The monitor: panes over one board, fed by one stream a target, painted on one timer."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.widgets import Footer

from chatops.board import Board
from chatops.tui.help import Help
from chatops.tui.live import LiveApp
from chatops.tui.logbar import LogBar
from chatops.tui.logkeys import LogKeys
from chatops.tui.logs import LogPane
from chatops.tui.logstatus import LogStatus
from chatops.tui.painted import Painted
from chatops.tui.query import Query
from chatops.tui.source import Source
from chatops.tui.strip import HealthStrip
from chatops.tui.theme import THEMES
from chatops.tui.tiles import Tiles
from chatops.tui.top import Overview, TopLine
from chatops.tui.workers import WorkerTable

RATES = (10.0, 5.0, 2.0, 1.0)
"""Paints a second; each costs up to 25 KB to the terminal."""
PANES = {"1": "overview", "2": "tiles", "3": "strip", "4": "workers", "5": "logs"}
ACTIONS = {"restart", "rollback"}


class MonitorApp(LiveApp):
    """The screen. It knows sources by what they say, and nothing of what is behind them."""

    CSS_PATH = "monitor.tcss"
    TITLE = "chatops monitor"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (15, "-short"), (32, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "help", "help", key_display="?"),
        *LogKeys.LOG_KEYS,
        Binding("space", "pause", "pause"),
        Binding("r", "restart", "restart"),
        Binding("b", "rollback", "roll back"),
        Binding("left_square_bracket", "target(-1)", "previous target", show=False),
        Binding("right_square_bracket", "target(1)", "next target", show=False),
        *(Binding(key, f"pane('{pane}')", f"show or hide {pane}", show=False) for key, pane in PANES.items()),
        Binding("plus", "rate(-1)", "paint more often", show=False),
        Binding("minus", "rate(1)", "paint less often", show=False),
        Binding("T", "change_theme", "theme", show=False),
        Binding("colon", "command_palette", "commands", key_display=":"),
        Binding("escape", "clear", "clear, back", show=False),
        Binding("ctrl+c", "copy_or_quit", "copy what is selected, else quit", show=False, priority=True),
        Binding("q", "leave", "quit"),
    ]

    def __init__(self, sources: Sequence[Source], board: Board, driver_class: type[Driver] | None = None) -> None:
        super().__init__(sources, board, driver_class)
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = os.environ.get("TEXTUAL_THEME") or THEMES[0].name
        self._rate = 1
        self._beat: tuple[int, int] = (-1, -1)
        self._paused = False

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        logs = LogPane(self.board, Query(target=self.target), id="logs")
        yield TopLine(id="top")
        yield Overview(id="overview")
        yield Tiles(id="tiles")
        yield HealthStrip(id="strip")
        yield WorkerTable(id="workers")
        yield logs
        yield LogStatus(logs, id="status")
        yield LogBar(id="logbar")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Paints first; connects after the first frame."""
        for name, title in (("strip", "health"), ("workers", "workers"), ("logs", "logs")):
            self.query_one(f"#{name}").border_title = title
        self.query_one(TopLine).read_only = self.read_only
        self.logs.focus()
        self._timer = self.set_interval(1 / RATES[self._rate], self.repaint)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.repaint_all()
        self.call_after_refresh(self.connect)

    # ------------------------------------------------------------ paint

    def repaint(self) -> None:
        """Brings every pane up to date: the log on every beat, the others when something changed or a second passed."""
        if not self.screen_stack:
            return  # the app goes down: timers tick on for a moment
        beat = (self.board.changes, int(self.board.clock()))
        if beat != self._beat:
            self._beat = beat
            self.look_again()
            self._drop_lost_worker()
            self._repaint_panes()
        for logs in self._main.query(LogPane):
            if not self._paused:
                logs.repaint()
            self.on_log_pane_changed()

    @property
    def _main(self) -> Screen[object]:
        return self.screen_stack[0]

    def _repaint_panes(self) -> None:
        for pane in self._main.query(Painted):
            if pane.display and (pane.always or not self._paused):
                pane.repaint(self.board, self.target)

    def repaint_all(self) -> None:
        """Paints without waiting for a change."""
        self._beat = (-1, -1)
        self.repaint()

    def on_resize(self) -> None:
        """Lays out for the new size."""
        self.call_after_refresh(self.repaint_all)

    def on_log_pane_changed(self) -> None:
        """The log was scrolled."""
        for status in self._main.query(LogStatus):
            status.repaint(self.board, self.target)

    def action_pause(self) -> None:
        """Holds the whole screen still, and goes on; events are taken in all the while."""
        self._paused = not self._paused
        self._main.query_one(TopLine).paused = self._paused
        self.logs.action_follow(not self._paused)
        self.repaint_all()

    def action_rate(self, by: int) -> None:
        """Paints more or less often."""
        self._rate = max(0, min(self._rate + by, len(RATES) - 1))
        self._timer.stop()
        self._timer = self.set_interval(1 / RATES[self._rate], self.repaint)
        self.notify(f"{RATES[self._rate]:g} paints a second", timeout=2)

    def action_pane(self, pane: str) -> None:
        """Shows or hides a pane."""
        self._main.query_one(f"#{pane}").toggle_class("-hidden")
        self.call_after_refresh(self.repaint_all)

    def action_zoom(self) -> None:
        """The log alone, or everything again."""
        self._main.toggle_class("-zoomed")
        self.call_after_refresh(self.repaint_all)

    # ------------------------------------------------------------ workers and targets

    def on_worker_table_changed(self) -> None:
        """The cursor or the order changed."""
        self.query_one(WorkerTable).repaint(self.board, self.target)

    def on_worker_table_chosen(self, message: WorkerTable.Chosen) -> None:
        """Logs of one worker, or of all."""
        self._choose(message.worker)

    def _choose(self, worker: str) -> None:
        self._main.query_one(WorkerTable).chosen = worker
        self.ask(replace(self.logs.query_shown, worker=worker))
        self.repaint_all()

    def _drop_lost_worker(self) -> None:
        """A worker that is gone (a deploy replaced it) has no more lines: all are shown again."""
        chosen = next((logs.query_shown.worker for logs in self._main.query(LogPane)), "")
        if chosen and all(worker.name != chosen for worker in self.board.targets[self.target].workers):
            self.notify(f"worker {chosen} is gone: lines of all workers", markup=False)
            self._choose("")

    def on_overview_picked(self, message: Overview.Picked) -> None:
        """Another target."""
        self._show(message.target)

    def action_target(self, by: int) -> None:
        """The next or previous target."""
        names = list(self.sources)
        self._show(names[(names.index(self.target) + by) % len(names)])

    def _show(self, target: str) -> None:
        self.target = target
        self._main.query_one(WorkerTable).chosen = ""
        self.ask(replace(self.logs.query_shown, target=target, worker=""))
        self.repaint_all()

    def action_all_targets(self) -> None:
        """Lines of all targets, or of the one that is shown."""
        query = self.logs.query_shown
        self.ask(replace(query, target="" if query.target else self.target))

    # ------------------------------------------------------------ around

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Read-only: what changes something is not there."""
        return not (action in ACTIONS and self.read_only)

    def action_help(self) -> None:
        """Every key."""
        self.push_screen(
            Help([("Everywhere", self.BINDINGS), ("In the log", LogPane.BINDINGS), ("Workers", WorkerTable.BINDINGS)])
        )

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Everything that has a key, by name."""
        for binding in self.BINDINGS:
            if isinstance(binding, Binding) and self.check_action(binding.action, ()) and binding.action != "command_palette":
                shown = binding.key_display or binding.key
                yield SystemCommand(binding.description, f"key {shown}", self._doing(binding.action))

    def _doing(self, action: str) -> Callable[[], Awaitable[None]]:
        async def do() -> None:
            await self.run_action(action)

        return do

    def action_clear(self) -> None:
        """Takes away, in this order: what is searched, what is filtered, the zoom."""
        query = self.logs.query_shown
        if self.logs.look.found:
            self.logs.search(None)
        elif query.words or query.worker or query.level != "debug":
            self.ask(replace(query, words="", level="debug"))
            self._choose("")
        else:
            self._main.remove_class("-zoomed")
        self.call_after_refresh(self.repaint_all)

    def action_copy_or_quit(self) -> None:
        """Copies what is selected; else ends."""
        if text := self.screen.get_selected_text():
            self.copy_to_clipboard(text)
            self.screen.clear_selection()
        else:
            self.action_leave()
