"""The log pane: a window on the board's ring that follows its end or stays pinned to what is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from chatops.board import Board, Entry
from chatops.board.view import View, one_row
from chatops.tui.canvas import LogCanvas
from chatops.tui.logline import STAMPS, Look, height, text
from chatops.tui.query import Query

NARROW = 100
"""Below this width names of workers get fewer cells."""


class LogPane(LogCanvas, can_focus=True):
    """Rows are counted absolutely, so that what is read stays put while old lines leave the ring."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "line above", show=False),
        Binding("down,j", "move(1)", "line below", show=False),
        Binding("left,h", "sideways(-8)", "to the left", show=False),
        Binding("right,l", "sideways(8)", "to the right", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "half a page up", show=False),
        Binding("ctrl+d", "page(0.5)", "half a page down", show=False),
        Binding("home,g", "top", "oldest line", show=False),
        Binding("end,G", "follow(True)", "newest line, and follow", show=False),
        Binding("enter", "app.zoom", "zoom", show=False),
    ]

    class Changed(Message):
        """The line under the pane wants to be painted again."""

    def __init__(self, board: Board, query: Query, id: str | None = None) -> None:
        look = Look(with_target=not query.target)
        super().__init__(board, _view(board, query, look), look, id)
        self.query_shown = query
        self.follow = True
        self._top = 0
        self._pinned_at = 0
        self._painted = (-1, -1)
        self._placing = False

    # ------------------------------------------------------------ what is shown

    def ask(self, query: Query) -> None:
        """Shows other entries, around the ones that are shown now. Raises ConfigError for a wrong expression."""
        query.filter()
        self.query_shown = query
        look = replace(self.look, with_target=not query.target)
        self._exchange(_view(self.board, query, look), look)

    def restyle(self, look: Look) -> None:
        """Shows the entries in another way, from the same one on."""
        same = look.width == self.look.width and (not look.width or look.indent == self.look.indent)
        self._exchange(self.view if same else _view(self.board, self.query_shown, look), look)

    def _exchange(self, view: View, look: Look) -> None:
        pinned = None if self.follow else self.cursor if self.cursor is not None else self._entry_at(self._top)
        while view.behind:
            view.update()
        self.show(view, look)
        self._painted = (-1, -1)
        row = view.row_of(pinned) if pinned is not None else None
        self._top = view.first_row if row is None else row
        self.repaint()

    def _entry_at(self, row: int) -> int | None:
        found = self.view.at(row)
        return found[0] if found else None

    @property
    def new(self) -> int:
        """How many entries came since the pane was pinned."""
        return 0 if self.follow else self.view.count_from(self._pinned_at)

    def repaint(self) -> None:
        """Takes new entries in and draws again what that moved."""
        self.view.update()
        if self.view.behind:
            self.call_later(self.repaint)
        self._place()
        top = self.view.first_row + round(self.scroll_y)
        state = (top, min(self.view.end_row, top + self.size.height))
        if self._painted != state or self.look.stamps == "ago":
            self._painted = state
            self.refresh()

    def _place(self) -> None:
        self._placing = True
        rows = self.view.end_row - self.view.first_row
        # Set without a layout of the whole screen (20 ms): only the bar needs to know.
        self.set_reactive(LogPane.virtual_size, Size(self.size.width if self.look.width else self.widest, rows))
        self.vertical_scrollbar.window_virtual_size = rows
        self.vertical_scrollbar.window_size = self.size.height
        goal = self.max_scroll_y if self.follow else self._top - self.view.first_row
        self.scroll_y = self.scroll_target_y = max(0, goal)
        if self.follow:
            self._top = self.view.first_row + round(self.scroll_y)
        self._placing = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The reader scrolled: pins the pane there; at the end it follows again."""
        super().watch_scroll_y(old_value, new_value)
        if not self._placing:
            # A window that grows moves its contents too: only a way down ends in following.
            at_end = new_value >= self.max_scroll_y and (self.follow or new_value > old_value)
            self._pin(self.view.first_row + round(new_value), follow=at_end)

    def _pin(self, top: int, *, follow: bool) -> None:
        if self.follow and not follow:
            self._pinned_at = self.board.ring.end
        self.follow = follow
        self.cursor = None if follow else self.cursor
        self._top = top
        self.post_message(self.Changed())

    def on_resize(self, event: events.Resize) -> None:
        """Lays out for the new width, from the same entry on."""
        names = 18 if event.size.width >= NARROW else 12
        look = replace(self.look, names=names, width=event.size.width if self.look.width else 0)
        if look == self.look:
            self._place()
        else:
            self.restyle(look)

    # ------------------------------------------------------------ moving

    def action_follow(self, wanted: bool | None = None) -> None:
        """Follows the end, or stays here."""
        follow = not self.follow if wanted is None else wanted
        if self.cursor is not None:
            self._painted = (-1, -1)
        self._pin(self._top, follow=follow)
        self.repaint()

    def action_page(self, pages: float) -> None:
        """Scrolls by pages."""
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False)

    def action_sideways(self, cells: int) -> None:
        """Scrolls long lines."""
        self.scroll_relative(x=cells, animate=False)

    def action_top(self) -> None:
        """Goes to the oldest line."""
        self.scroll_to(y=0, animate=False)

    def action_move(self, by: int) -> None:
        """Moves the cursor; beyond the last line the pane follows again."""
        found = self.view.find(_any, self._start(by), by)
        if found is not None:
            self.go(found)
        elif by > 0:
            self.action_follow(True)

    def _start(self, by: int) -> int:
        """Where the cursor is, or from where it would enter the window: the entry beyond its edge."""
        if self.cursor is not None:
            return self.cursor
        edge = self._entry_at(min(self._top + self.size.height, self.view.end_row) - 1)
        return self.board.ring.end if edge is None else edge - by if by > 0 else edge + 1

    def go(self, number: int) -> None:
        """Puts the cursor on an entry, and the entry into view."""
        row = self.view.row_of(number)
        if row is None:
            return
        inside = self._top <= row < self._top + self.size.height
        top = self._top if inside else row - self.size.height // 2
        self._pin(max(top, self.view.first_row), follow=False)
        self.cursor = number
        self._painted = (-1, -1)
        self.repaint()

    def seek(self, wanted: Callable[[Entry], bool], step: int) -> bool:
        """Goes to the next (`step` 1) or previous (-1) entry that is wanted; False when there is none."""
        found = self.view.find(wanted, self.board.ring.end if self.cursor is None else self.cursor, step)
        if found is not None:
            self.go(found)
        return found is not None

    # ------------------------------------------------------------ looks

    def search(self, found: re.Pattern[str] | None) -> None:
        """Highlights what matches from now on."""
        self.restyle(replace(self.look, found=found))

    def wrap(self) -> None:
        """Wraps long lines, or cuts them."""
        self.restyle(replace(self.look, width=0 if self.look.width else self.size.width))

    def stamps(self) -> None:
        """The next way to show times."""
        self.restyle(replace(self.look, stamps=STAMPS[(STAMPS.index(self.look.stamps) + 1) % len(STAMPS)]))

    # ------------------------------------------------------------ taking text out

    def current(self) -> str:
        """The line under the cursor, else the newest one; empty when there is none."""
        number = self.cursor if self.cursor is not None else self._entry_at(self.view.end_row - 1)
        return "" if number is None or number < self.board.ring.first else text(self.board.ring[number])

    def lines(self) -> list[str]:
        """Every entry that passes the filter, oldest first."""
        keep = self.query_shown.keep()
        return [text(entry) for _, entry in self.board.ring.since(0) if keep(entry)]


def _any(entry: Entry) -> bool:
    return True


def _view(board: Board, query: Query, look: Look) -> View:
    return View(board.ring, query.keep(), partial(height, look=look) if look.width else one_row)
