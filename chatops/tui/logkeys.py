"""The keys that work on the log wherever the focus is."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from chatops.board import Entry, Mark
from chatops.board.lines import LEVELS
from chatops.errors import ConfigError
from chatops.events import Level
from chatops.filters import pattern
from chatops.tui.logbar import LogBar
from chatops.tui.logs import LogPane
from chatops.tui.query import Query


class LogKeys(App[None]):
    """What the log can be asked; the app itself adds the rest."""

    LOG_KEYS: ClassVar[list[BindingType]] = [
        Binding("slash", "words('find')", "find", key_display="/"),
        Binding("ampersand", "words('only')", "show only", key_display="&", show=False),
        Binding("n", "found(1)", "next match", show=False),
        Binding("N", "found(-1)", "previous match", show=False),
        Binding("e", "severe('error', -1)", "previous error", show=False),
        Binding("E", "severe('error', 1)", "next error", show=False),
        Binding("w", "severe('warning', -1)", "previous warning or error", show=False),
        Binding("W", "severe('warning', 1)", "next warning or error", show=False),
        Binding("v", "level", "least level shown", show=False),
        Binding("a", "all_targets", "lines of all targets", show=False),
        Binding("f", "follow", "follow"),
        Binding("z", "wrap", "wrap long lines", show=False),
        Binding("t", "stamps", "times: local, UTC, ago, off", show=False),
        Binding("m", "mark", "put a mark", show=False),
        Binding("c", "copy", "copy the line", show=False),
        Binding("ctrl+s", "save", "save what is shown", show=False),
    ]

    @property
    def logs(self) -> LogPane:
        """The log pane."""
        return self.screen_stack[0].query_one(LogPane)

    @property
    def bar(self) -> LogBar:
        """Where words are typed."""
        return self.screen_stack[0].query_one(LogBar)

    def ask(self, query: Query) -> None:
        """Shows other entries."""
        self.logs.ask(query)

    def action_words(self, mode: str) -> None:
        """Opens the line for words."""
        found = self.logs.look.found
        if mode == "find":
            self.bar.open("find", found.pattern if found else "")
        else:
            self.bar.open("only", self.logs.query_shown.words)

    def on_log_bar_entered(self, message: LogBar.Entered) -> None:
        """Finds or filters; what can't be read as an expression is said where it was typed."""
        try:
            self._entered(message)
        except ConfigError as error:
            self.bar.refuse(error.message)
        else:
            self.bar.action_close()

    def _entered(self, message: LogBar.Entered) -> None:
        if message.mode == "only":
            self.ask(replace(self.logs.query_shown, words=message.words))
            return
        self.logs.search(pattern(message.words) if message.words else None)
        if message.words:
            self.action_found(-1)

    def on_log_bar_closed(self) -> None:
        """Back to the log."""
        self.logs.focus()

    def action_found(self, step: int) -> None:
        """Goes to the next or previous match."""
        found = self.logs.look.found
        if found is None:
            self.action_words("find")
        elif not self.logs.seek(lambda entry: _holds(found, entry), step):
            self.notify(f"no {'further' if step > 0 else 'earlier'} match", markup=False, timeout=2)

    def action_severe(self, least: Level, step: int) -> None:
        """Goes to the next or previous line of at least this level."""
        wanted = LEVELS[LEVELS.index(least) :]
        if not self.logs.seek(lambda entry: entry.level in wanted, step):
            self.notify(f"no {'further' if step > 0 else 'earlier'} {least}", timeout=2)

    def action_level(self) -> None:
        """The next least level to be shown."""
        query = self.logs.query_shown
        self.ask(replace(query, level=LEVELS[(LEVELS.index(query.level) + 1) % len(LEVELS)]))

    def action_follow(self) -> None:
        """Follows the end, or stays."""
        self.logs.action_follow()

    def action_wrap(self) -> None:
        """Wraps long lines, or cuts them."""
        self.logs.wrap()

    def action_stamps(self) -> None:
        """The next way to show times."""
        self.logs.stamps()

    def action_mark(self) -> None:
        """Puts a mark with the time between the lines."""
        self.logs.board.mark("user", datetime.fromtimestamp(self.logs.board.clock()).strftime("mark %H:%M:%S"))
        self.logs.repaint()

    def action_copy(self) -> None:
        """The current line to the clipboard (OSC 52)."""
        line = self.logs.current()
        if line:
            self.copy_to_clipboard(line)
            self.notify("line copied", timeout=2)

    def action_save(self) -> None:
        """What the filter shows, as a file here."""
        lines = self.logs.lines()
        name = self.logs.query_shown.target or "all"
        file = Path(f"chatops-{name}-{datetime.now():%Y%m%d-%H%M%S}.log")
        try:
            with file.open("x", encoding="utf-8", errors="backslashreplace") as saved:
                saved.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            self.notify(f"can't save: {error.strerror}", severity="error", markup=False)
        else:
            self.notify(f"{len(lines):,} lines in {file}", markup=False)


def _holds(found: re.Pattern[str], entry: Entry) -> bool:
    return not isinstance(entry, Mark) and found.search(entry.message) is not None
