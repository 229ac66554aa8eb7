"""The widget all panes but the log are made of: rows of text with roles, repainted where they changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from chatops.board import Board
from chatops.tui.paint import HUES, ROLES, Row


class Painted(Widget):
    """Shows rows; a pane says in `rows()` what they are."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*ROLES, *HUES}

    always = False
    """Painted also while the screen is paused."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Row] = []

    def rows(self, board: Board, target: str) -> list[Row]:
        """What the pane shows of `target`, in `self.size.width` cells."""
        raise NotImplementedError

    def repaint(self, board: Board, target: str) -> None:
        """Brings the pane up to date; only rows that changed are drawn again."""
        old, self._rows = self._rows, self.rows(board, target)
        if len(old) != len(self._rows):
            self.refresh(layout=True)
        elif changed := _changed(old, self._rows):
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are rows."""
        return len(self._rows)

    def role(self, name: str) -> Style:
        """The look of a role in this theme."""
        return self.get_visual_style(name).rich_style

    def render_line(self, y: int) -> Strip:
        """One row, cut or filled to the pane's width."""
        row = self._rows[y] if y < len(self._rows) else []
        strip = Strip([Segment(text, self.role(role)) for text, role in row])
        return strip.adjust_cell_length(self.size.width, self.rich_style)


def _changed(old: Sequence[Row], new: Sequence[Row]) -> list[int]:
    return [y for y, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
