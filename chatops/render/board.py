"""The board as plain text: one line a target, for pipes, dumb terminals and `monitor --once`."""

from __future__ import annotations

from chatops.board import Board, TargetBoard

SHAPES = {"healthy": "ok", "degraded": "!!", "down": "XX", "unknown": "??"}


def lines(board: Board) -> list[str]:
    """A line for every target, and one for every worker of it."""
    return [line for target in board.targets.values() for line in (glance(target, board.clock()), *_workers(target))]


def glance(target: TargetBoard, now: float) -> str:
    """State, reason, latency, workers and release of a target in one line."""
    word, reason = target.state(now)
    p50, p95 = target.latency(50), target.latency(95)
    parts = [f"{target.name} {word}" + (f" ({reason})" if reason else "")]
    parts += [f"p50 {p50:.1f} ms, p95 {p95:.1f} ms"] if p50 is not None and p95 is not None else []
    parts += [f"{target.up} of {len(target.serving)} workers up"] if target.workers else []
    parts += [f"restarts {target.restarts}"] if target.restarts is not None else []
    parts += [f"release {target.release}"] if target.release else []
    return f"[{SHAPES[word]}] " + " · ".join(parts)


def _workers(target: TargetBoard) -> list[str]:
    lines = []
    for worker in target.workers:
        cpu = "-" if worker.cpu_percent is None else f"{worker.cpu_percent:.0f} %"
        memory = "-" if worker.memory_bytes is None else f"{worker.memory_bytes / 1024**2:.0f} MiB"
        uptime = "-" if worker.uptime_seconds is None else f"{worker.uptime_seconds:.0f} s"
        lines.append(f"     {worker.name}  {worker.state}  cpu {cpu}  memory {memory}  up {uptime}")
    return lines
