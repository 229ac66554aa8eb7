"""How long things may take."""

from __future__ import annotations

from chatops.frozen import frozen


@frozen
class Limits:
    """Every time limit of the tool, in seconds."""

    connect: float = 10.0
    answer: float = 5.0
    inspect: float = 30.0
    boot: float = 60.0
    drain: float = 20.0
    reattach: float = 120.0


LIMITS = Limits()
