"""The drawing half of the log pane: rows of a view as strips, with the cursor, what is found and what is selected."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from chatops.board import Board
from chatops.board.view import View
from chatops.tui.logline import Look, rows
from chatops.tui.paint import HUES, ROLES, Row, width_of

MOST_COPIED = 10_000
"""So many rows of a selection are copied at most."""


class LogCanvas(ScrollView):
    """Draws; which rows and how is said by `view`, `look` and `cursor`."""

    ALLOW_SELECT = True
    COMPONENT_CLASSES: ClassVar[set[str]] = {*ROLES, *HUES}

    def __init__(self, board: Board, view: View, look: Look, id: str | None = None) -> None:
        super().__init__(id=id)
        self.board = board
        self.view = view
        self.look = look
        self.cursor: int | None = None
        self.widest = 1
        self._rows: LRUCache[int, list[Row]] = LRUCache(512)
        self._strips: LRUCache[tuple[int, int, int], Strip] = LRUCache(512)
        self._styles: dict[str, Style] = {}

    def show(self, view: View, look: Look) -> None:
        """Draws from another view, in another look."""
        self.view = view
        self.look = look
        self.widest = 1
        self._rows.clear()
        self._strips.clear()

    def notify_style_update(self) -> None:
        """The theme or the focus changed."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def _role(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = self.get_visual_style(name).rich_style
        return self._styles[name]

    def row(self, row: int) -> Row:
        """The pieces of an absolute row; empty where there is none."""
        found = self.view.at(row)
        if found is None:
            return []
        number, part = found
        return self._rows_of(number)[part]

    def _rows_of(self, number: int) -> list[Row]:
        known = self._rows.get(number)
        if known is None or self.look.stamps == "ago":
            known = self._rows[number] = rows(self.board.ring[number], self.look, self.board.clock())
        return known

    def render_line(self, y: int) -> Strip:
        """One line of the window."""
        scroll_x, scroll_y = self.scroll_offset
        at = self.view.first_row + scroll_y + y
        found = self.view.at(at)
        if self.text_selection or self.look.stamps == "ago" or (found and found[0] == self.cursor):
            return self._strip(at, scroll_x)
        key = (at, scroll_x, self.size.width)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strip(at, scroll_x)
            if found:  # what comes there later is not known yet
                self._strips[key] = strip
        return strip

    def _strip(self, at: int, scroll_x: int) -> Strip:
        row = self.row(at)
        self.widest = max(self.widest, width_of(row))
        strip = self._selected(Strip([Segment(text, self._role(role)) for text, role in row]), at)
        strip = strip.crop_extend(scroll_x, scroll_x + self.size.width, self.rich_style)
        found = self.view.at(at)
        if found and found[0] == self.cursor:
            strip = _over(strip, self._role("cursor"))
        return strip.apply_offsets(scroll_x, at)

    def _selected(self, strip: Strip, row: int) -> Strip:
        selection = self.text_selection
        span = selection.get_span(row) if selection else None
        if span is None:
            return strip
        start, end = span[0], strip.cell_length if span[1] == -1 else span[1]
        style = self.screen.get_component_rich_style("screen--selection")
        return Strip.join([strip.crop(0, start), _over(strip.crop(start, end), style), strip.crop(end)])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text; rows are counted absolutely."""
        first = max(self.view.first_row, selection.start.y if selection.start else 0)
        last = min(self.view.end_row - 1, selection.end.y if selection.end else self.view.end_row, first + MOST_COPIED)
        lines = ["".join(text for text, _ in self.row(at)) for at in range(first, last + 1)]
        if lines and selection.end and last == selection.end.y:
            lines[-1] = lines[-1][: selection.end.x]
        if lines and selection.start and first == selection.start.y:
            lines[0] = lines[0][selection.start.x :]
        return "\n".join(lines), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draws the selection."""
        self.refresh()


def _over(strip: Strip, style: Style) -> Strip:
    """The strip on the background of `style`; colours of the text stay."""
    behind = Style(bgcolor=style.bgcolor)
    return Strip(Segment.apply_style(strip, post_style=behind), strip.cell_length)
