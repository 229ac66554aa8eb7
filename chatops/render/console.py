"""A change shown live on standard error: one line a finished step, a spinner on what runs; plain lines off a terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from chatops.events import Event, Finished, HealthSample, Impact, Notice, StepFailed, StepFinished, StepOutput, StepStarted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

OUTPUT_KEPT = 40
"""Lines of a step's output that are shown when it fails."""


async def show(events: AsyncIterator[Event], *, color: bool, verbose: bool, quiet: bool) -> Finished | None:
    """Shows a change to its end and gives the last event; None when it never came (an attached one)."""
    view: _View | None = None
    try:
        async for event in events:
            view = view or _View(_console(color=color, quiet=quiet), verbose)
            view.take(event)
            if isinstance(event, Finished):
                return event
        return None
    finally:
        if view:
            view.rest()


def _console(*, color: bool, quiet: bool) -> Console:
    """Made when there is something to show: rich is loaded (40 ms) while the first step runs."""
    from rich.console import Console

    class Patient(Console):
        """Says no more when its reader went away: the change goes on, where rich would end the process."""

        def on_broken_pipe(self) -> None:
            self.file = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123

    return Patient(stderr=True, no_color=not color, highlight=False, soft_wrap=True, quiet=quiet)


class _View:
    """What is on the screen: the steps that run, and the output of each since it began."""

    def __init__(self, console: Console, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._running: dict[tuple[str, str], StepStarted] = {}
        self._output: dict[tuple[str, str], list[str]] = {}
        self._status: Status | None = None

    def take(self, event: Event) -> None:
        """One more event."""
        if isinstance(event, StepStarted):
            self._running[event.host, event.step] = event
        elif isinstance(event, StepOutput):
            self._hear(event)
        elif isinstance(event, StepFinished | StepFailed):
            self._end(event)
        elif isinstance(event, Notice) and event.level != "debug":
            self._line("!" if event.level != "info" else "·", event.message, "yellow" if event.level != "info" else "dim")
        elif isinstance(event, HealthSample):
            self._line("✓", f"answers{f' as {event.release}' if event.release else ''} through the public address", "green")
        self._spin()

    def _hear(self, event: StepOutput) -> None:
        lines = self._output.setdefault((event.host, event.step), [])
        lines.append(event.line)
        del lines[:-OUTPUT_KEPT]
        if self._verbose:
            self._line("│", event.line, "dim", event.host)

    def _end(self, event: StepFinished | StepFailed) -> None:
        self._running.pop((event.host, event.step), None)
        output = self._output.pop((event.host, event.step), [])
        if isinstance(event, StepFinished):
            self._line(
                "✓" if event.changed else "-",
                f"{event.title}  {event.seconds:.1f} s",
                "green" if event.changed else "dim",
                event.host,
            )
            return
        self._line("✗", f"{event.title}  {event.seconds:.1f} s", "red", event.host)
        for line in [] if self._verbose else output:
            self._line("│", line, "dim", event.host)

    def _line(self, mark: str, words: str, style: str, host: str = "") -> None:
        from rich.text import Text

        text = Text(f"  {mark} ", style=style)
        if host:
            text.append(f"{host}  ", style="cyan")
        self._console.print(text.append(words, style="" if style == "green" else style))

    def _spin(self) -> None:
        from rich.text import Text

        if not self._console.is_terminal or self._console.is_dumb_terminal:
            return
        titles = sorted({event.title for event in self._running.values()})
        if not titles:
            self.rest()
        elif self._status is None:
            self._status = self._console.status(Text(titles[0]))
            self._status.start()
        else:
            self._status.update(Text(", ".join(titles)))

    def rest(self) -> None:
        """Takes the spinner away."""
        if self._status:
            self._status.stop()
            self._status = None


def closing_line(finished: Finished, done: str, url: str | None) -> str:
    """What a change did, in one line, with what users felt."""
    if not finished.changed:
        return f"nothing to do: release {finished.release} serves" if finished.release else "nothing to do"
    where = f" at {url}" if url else ""
    felt = f": {impact_words(finished.impact)}" if finished.impact else ""
    return f"{done} in {finished.seconds:.1f} s{where}{felt}"


def impact_words(impact: Impact) -> str:
    """`0 of 412 requests failed, 0 of 206 messages lost, longest gap 31 ms`."""
    words = [f"{impact.failed} of {impact.requests} requests failed"]
    if impact.messages:
        words.append(f"{impact.lost} of {impact.messages} messages lost")
    if impact.doubled:
        words.append(f"{impact.doubled} doubled")
    return ", ".join([*words, f"longest gap {impact.longest_gap_ms:.0f} ms"])


def ask(question: str) -> str:
    """An answer from the terminal; the question goes to standard error, so that data stays clean."""
    print(question, end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def age(since: float | None) -> str:
    """How long ago an epoch time was: `12 s`, `5 min`, `3 h`, `9 d`; `-` for None."""
    if since is None:
        return "-"
    seconds = max(0.0, time.time() - since)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
