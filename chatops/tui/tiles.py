"""The tiles: state, latency, workers, restarts, release and probes (or connections) of one target."""

from __future__ import annotations

from chatops.board import Board, TargetBoard
from chatops.tui.paint import NOTHING, STATES, Row, fit, milliseconds, number, span, speed
from chatops.tui.painted import Painted

Tile = tuple[str, tuple[str, str], tuple[str, str]]
"""A title, a value and a remark, the last two with their roles."""
ROOMY = 100
"""From this width on tiles have three lines; below they share one."""


class Tiles(Painted):
    """What stands between the header and the strip."""

    def rows(self, board: Board, target: str) -> list[Row]:
        """Three rows of tiles, or one line where there is no room."""
        now = board.clock()
        tiles = tiles_of(board.targets[target], now)
        if self.size.width < ROOMY or self.screen.has_class("-short"):
            return [_line(tiles)]
        stale = board.targets[target].stale(now)
        return _table(tiles, self.size.width // len(tiles), stale)


def tiles_of(target: TargetBoard, now: float) -> list[Tile]:
    """The tiles of a target, from left to right."""
    return [_state(target, now), _latency(target), _workers(target), _restarts(target), _release(target, now), _users(target)]


def _state(target: TargetBoard, now: float) -> Tile:
    word, reason = target.state(now)
    shape, role = STATES[word]
    age = target.age(now)
    return "STATE", (f"{shape} {word}", role), (reason or f"seen {span(age)} ago", "dim" if not reason else role)


def _latency(target: TargetBoard) -> Tile:
    p50, p95 = target.latency(50), target.latency(95)
    return "LATENCY", (f"p50 {milliseconds(p50)}", speed(p50)), (f"p95 {milliseconds(p95)}", speed(p95))


def _workers(target: TargetBoard) -> Tile:
    total = len(target.serving)
    role = "dim" if not total else "ok" if target.up == total else "bad" if not target.up else "warn"
    cpu = sum(worker.cpu_percent or 0.0 for worker in target.workers)
    return "WORKERS", (f"{target.up}/{total} up" if total else NOTHING, role), (f"cpu {cpu:.0f} %", "dim")


def _restarts(target: TargetBoard) -> Tile:
    total = target.restarts
    return "RESTARTS", (number(total), "warn" if total else "plain"), (f"{target.counts['error']} errors logged", "dim")


def _release(target: TargetBoard, now: float) -> Tile:
    since = target.release_since
    age = "age unknown" if since is None else f"{span(now - since)} old"
    return "RELEASE", (target.release or NOTHING, "name"), (target.step or age, "info" if target.step else "dim")


def _users(target: TargetBoard) -> Tile:
    percent = target.ok_percent
    share = f"{NOTHING}" if percent is None else f"{percent:.1f} % ok"
    if target.connections is not None:
        return "CONNECTIONS", (number(target.connections), "plain"), (f"probes {share}", "dim")
    return "PROBES", (share, "plain" if percent in (None, 100.0) else "warn"), (f"{len(target.health)} seen", "dim")


def _table(tiles: list[Tile], width: int, stale: bool) -> list[Row]:
    inner = width - 3
    titles: Row = [(f" {fit(title, inner)}  ", "dim") for title, _, _ in tiles]
    values: Row = [(f" {fit(text, inner)}  ", "dim" if stale else f"{role}") for _, (text, role), _ in tiles]
    remarks: Row = [(f" {fit(text, inner)}  ", role) for _, _, (text, role) in tiles]
    return [titles, values, remarks]


def _line(tiles: list[Tile]) -> Row:
    """What matters most first: what does not fit is cut at the end."""
    by_title = {title: (value, remark) for title, value, remark in tiles}
    restarts, release = by_title["RESTARTS"][0], by_title["RELEASE"][0]
    row: Row = [(" ", "plain")]
    for text, role in (by_title["LATENCY"][1], by_title["WORKERS"][0], (f"restarts {restarts[0]}", restarts[1]), tiles[-1][1]):
        row += [(text, role), (" │ ", "dim")]
    return [*row, release]
