"""The line under the log: follows or pinned, what came since, what is filtered and searched, how much is kept."""

from __future__ import annotations

from collections import deque

from chatops.board import Board
from chatops.tui.logs import LogPane
from chatops.tui.paint import Row, fit, width_of
from chatops.tui.painted import Painted

RATE_SECONDS = 5.0


class LogStatus(Painted):
    """One row."""

    always = True

    def __init__(self, pane: LogPane, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pane = pane
        self._ends: deque[tuple[float, int]] = deque(maxlen=64)

    def rows(self, board: Board, target: str) -> list[Row]:
        """State and filters left, counts right; the counts give way."""
        left = [_state(self._pane), *_asked(self._pane)]
        right = self._counts(board)
        room = self.size.width - width_of(left)
        return [[*left, (fit(right, room, right=True) if room > len(right) else " " * max(0, room), "dim")]]

    def _counts(self, board: Board) -> str:
        kept, ever = len(board.ring), board.ring.end
        lines = f"{kept:,} lines" if kept == ever else f"newest {kept:,} of {ever:,} lines"
        rate = self._rate(board.clock(), ever)
        return f"{lines} " if rate is None else f"{lines} · {rate:.0f}/s "

    def _rate(self, now: float, end: int) -> float | None:
        """Entries a second over the last moments; None before the first second is over."""
        self._ends.append((now, end))
        while len(self._ends) > 1 and now - self._ends[0][0] > RATE_SECONDS:
            self._ends.popleft()
        begun, before = self._ends[0]
        return (end - before) / (now - begun) if now - begun >= 1 else None


def _state(pane: LogPane) -> tuple[str, str]:
    if pane.follow:
        return " ▼ following ", "ok"
    return f" ■ pinned, +{pane.new:,} new ", "warn"


def _asked(pane: LogPane) -> Row:
    query = pane.query_shown
    asked = [f"worker {query.worker}"] if query.worker else []
    asked += [f"≥ {query.level}"] if query.level != "debug" else []
    asked += [f"only {query.words}"] if query.words else []
    asked += [f"find {pane.look.found.pattern}"] if pane.look.found else []
    asked += ["wrapped"] if pane.look.width else []
    asked += [f"times {pane.look.stamps}"] if pane.look.stamps != "local" else []
    return [(f"· {part} ", "info") for part in asked]
