"""What comes in and goes out: a feed for every target, the state behind it, restart and rollback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from textual.driver import Driver

from chatops.board import Board
from chatops.errors import ChatopsError
from chatops.events import Event, Finished
from chatops.goals import Goal
from chatops.model import State, before
from chatops.tui import confirm
from chatops.tui.logkeys import LogKeys
from chatops.tui.source import Source

TURN = 0.002
"""Seconds of events taken in before keys and paint get their turn."""


class LiveApp(LogKeys):
    """An app over one board that sources feed."""

    def __init__(self, sources: Sequence[Source], board: Board, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class)
        self.board = board
        self.target = sources[0].name
        self.sources = {source.name: source for source in sources}
        self._acting: asyncio.Task[None] | None = None
        self._looked: dict[str, str | None] = {}
        self._warned = False

    @property
    def read_only(self) -> bool:
        """Whether nothing can be changed from here."""
        return all(source.act is None for source in self.sources.values())

    def connect(self) -> None:
        """Begins to read every feed."""
        for source in self.sources.values():
            self.run_worker(self._follow(source), group="feeds")

    async def settle(self) -> None:
        """After the screen is gone: what is being carried out is told to stop, and waited for."""
        if self._acting and not self._acting.done():
            self._acting.cancel()
            await asyncio.gather(self._acting, return_exceptions=True)

    # ------------------------------------------------------------ events in

    async def _follow(self, source: Source) -> None:
        try:
            await self._fold(source.feed(), source.name)
            self.board.lose(source.name, "the stream ended")
        except ChatopsError as error:
            self.board.lose(source.name, error.message)

    async def _fold(self, events: AsyncIterator[Event], target: str) -> None:
        """Every event into the board; keys and paint get their turn in between."""
        turn = time.monotonic()
        async for event in events:
            self.board.apply(event, target)
            if isinstance(event, Finished):
                self._tell(event.error if not event.ok else "done", failed=not event.ok)
            if time.monotonic() - turn > TURN:
                await asyncio.sleep(0)
                turn = time.monotonic()

    def _tell(self, text: str, *, failed: bool) -> None:
        if self.is_running:
            self.notify(text, severity="error" if failed else "information", markup=False)

    def look_again(self) -> None:
        """Asks for the state behind the events in the beginning and whenever another release answers."""
        for name, source in self.sources.items():
            release = self.board.targets[name].release
            if name not in self._looked or (release and self._looked[name] != release):
                self._looked[name] = release
                self.run_worker(self._look(source), group=f"look-{name}", exclusive=True)

    async def _look(self, source: Source) -> State | None:
        try:
            state = await source.look()
        except ChatopsError as error:
            self.board.mark("notice", error.message, source.name, "warning")
            return None
        self.board.take_state(source.name, state)
        if state.release and self._looked.get(source.name) is None:
            self._looked[source.name] = state.release.id  # never what a probe has seen since: this state is from before
        return state

    # ------------------------------------------------------------ goals out

    def action_restart(self) -> None:
        """Asks, then replaces every worker."""
        self.run_worker(self._restart(self.sources[self.target]), group="ask", exclusive=True)

    async def _restart(self, source: Source) -> None:
        if self._may_act(source):
            workers = len(self.board.targets[source.name].workers)
            await self._ask_and_do(source, "Restart", confirm.restart(source.name, workers))

    def action_rollback(self) -> None:
        """Looks what is kept, asks, then goes back."""
        self.run_worker(self._rollback(self.sources[self.target]), group="ask", exclusive=True)

    async def _rollback(self, source: Source) -> None:
        if not self._may_act(source) or (state := await self._look(source)) is None:
            return
        choices = confirm.rollback(source.name, state.releases, before(state), self.board.clock())
        if choices:
            await self._ask_and_do(source, "Roll back", choices)
        else:
            self._tell("no other release is kept: nothing to go back to", failed=True)

    def _may_act(self, source: Source) -> bool:
        if source.act is None:
            self._tell("read-only: nothing is changed from here", failed=True)
        elif self._acting and not self._acting.done():
            self._tell("something is being carried out already", failed=True)
        else:
            return True
        return False

    async def _ask_and_do(self, source: Source, question: str, choices: Sequence[confirm.Choice]) -> None:
        goal = await self.push_screen_wait(confirm.Confirm(source.name, question, choices))
        if goal is not None:
            self._acting = asyncio.create_task(self._carry_out(source, goal))

    async def _carry_out(self, source: Source, goal: Goal) -> None:
        """Goes on behind the screen; its events join the others on the board."""
        if source.act is None:
            return
        try:
            await self._fold(source.act(goal), source.name)
        except ChatopsError as error:
            self.board.mark("notice", error.message, source.name, "error")
            self._tell(error.message, failed=True)
        self.board.targets[source.name].step = ""
        self._looked.pop(source.name, None)

    def action_leave(self) -> None:
        """Ends; while something is carried out only when asked twice."""
        if self._acting and not self._acting.done() and not self._warned:
            self._warned = True
            self._tell("something is being carried out: `q` again interrupts it", failed=True)
        else:
            self.exit()
