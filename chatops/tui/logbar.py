"""The line where words are typed: to find in the log, or to show only what holds them."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

Mode = Literal["find", "only"]
HINTS = {
    "find": "regular expression; tab: show only what matches",
    "only": "expression; `!expression` hides; tab: find",
}


class LogBar(Horizontal):
    """Closed until it is opened; says what was typed and stays open while that is wrong."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "switch", "find or only", show=False, priority=True),
        Binding("escape", "close", "close", show=False),
    ]

    class Entered(Message):
        """What was typed; empty: find or show everything again."""

        def __init__(self, mode: Mode, words: str) -> None:
            super().__init__()
            self.mode = mode
            self.words = words

    class Closed(Message):
        """The line is put away."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.mode: Mode = "find"

    def compose(self) -> ComposeResult:
        """A label, the line itself, and what was wrong with it."""
        yield Label("find", id="logbar-mode")
        yield Input(id="logbar-words", compact=True, select_on_focus=True)
        yield Label("", id="logbar-wrong", markup=False)

    def open(self, mode: Mode, words: str) -> None:
        """Shows the line with what it held."""
        self.display = True
        self.query_one(Input).value = words
        self._set(mode)
        self.query_one(Input).focus()

    def _set(self, mode: Mode) -> None:
        self.mode = mode
        self.query_one("#logbar-mode", Label).update(f" {mode} ")
        self.query_one(Input).placeholder = HINTS[mode]
        self.refuse("")

    def refuse(self, why: str) -> None:
        """Says what is wrong with what was typed."""
        self.query_one("#logbar-wrong", Label).update(why)

    def action_switch(self) -> None:
        """From finding to filtering and back."""
        self._set("only" if self.mode == "find" else "find")

    def action_close(self) -> None:
        """Puts the line away; nothing changes."""
        self.display = False
        self.post_message(self.Closed())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Says what was typed."""
        event.stop()
        self.post_message(self.Entered(self.mode, event.value))
