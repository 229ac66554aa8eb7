"""The health strip: one cell a probe, newest right; its latency as bars; the releases under it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from chatops.board import Board
from chatops.board.target import SLOW_MS, Marker
from chatops.events import HealthSample
from chatops.tui.paint import Piece, Row, latency_bar, span, speed
from chatops.tui.painted import Painted

LABEL = 9
"""Cells at the left for what a row shows."""


class HealthStrip(Painted):
    """Three rows where there is room, else one."""

    def rows(self, board: Board, target: str) -> list[Row]:
        """Probes, latency and release markers of the newest samples that fit."""
        of = board.targets[target]
        samples = list(of.health)[-max(1, self.size.width - LABEL - 1) :]
        room = self.size.width - LABEL - 1 - len(samples)
        cells = [_cell(sample) for sample in samples]
        if self.screen.has_class("-short") or self.screen.has_class("-narrow"):
            for at in _changes(samples):
                cells[at] = ("▼", "mark")
            return [[(" probes  ", "dim"), (" " * room, "plain"), *_joined(cells)]]
        probes: Row = [(" probes  ", "dim"), (" " * room, "plain"), *_joined(cells)]
        return [probes, _latency(samples, room), _markers(samples, list(of.markers), room, board.clock())]


def _changes(samples: Sequence[HealthSample]) -> list[int]:
    """Where another release answered than in the probe before."""
    pairs = enumerate(pairwise(samples), start=1)
    return [at for at, (before, after) in pairs if before.release and after.release and before.release != after.release]


def _cell(sample: HealthSample) -> Piece:
    """A half block is well, a triangle slow or complaining, a cross failed: shape and colour say the same."""
    if not sample.ok:
        return "✖", "bad"
    return ("▲", "warn") if sample.latency_ms > SLOW_MS or sample.message else ("▄", "ok")


def _joined(cells: Sequence[Piece]) -> Row:
    """Neighbours of one role as one piece."""
    row: Row = []
    for text, role in cells:
        if row and row[-1][1] == role:
            row[-1] = (row[-1][0] + text, role)
        else:
            row.append((text, role))
    return row


def _latency(samples: Sequence[HealthSample], room: int) -> Row:
    cells = [(latency_bar(s.latency_ms), speed(s.latency_ms)) if s.status else (" ", "plain") for s in samples]
    return [(" latency ", "dim"), (" " * room, "plain"), *_joined(cells)]


def _markers(samples: Sequence[HealthSample], markers: Sequence[Marker], room: int, now: float) -> Row:
    """`▼ release` under the first probe that the release answered; the newest where names would overlap."""
    text = list(" " * (room + len(samples)))
    for marker in markers:
        at = next((room + index for index, sample in enumerate(samples) if sample.time >= marker.time), None)
        if at is not None:
            label = f"▼ {marker.release}"[: max(1, len(text))]
            at = min(at, len(text) - 1) if at + len(label) > len(text) else at
            text[at : at + len(label)] = list(label[: len(text) - at])
    return [(f" {span(now - samples[0].time)}".ljust(LABEL) if samples else " " * LABEL, "dim"), ("".join(text), "mark")]
