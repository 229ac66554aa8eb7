"""What the screen is given for each target: events, the state behind them, and what can be done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from chatops.events import Event
from chatops.frozen import frozen
from chatops.goals import Goal
from chatops.model import State


@frozen(kw_only=True)
class Source:
    """One target. `act` carries a goal out; None: the screen is for looking only."""

    name: str
    feed: Callable[[], AsyncIterator[Event]]
    look: Callable[[], Awaitable[State]]
    act: Callable[[Goal], AsyncIterator[Event]] | None = None
