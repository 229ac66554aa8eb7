"""The question before anything is changed: target, effect and the command that does the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Label, OptionList
from textual.widgets.option_list import Option

from chatops.frozen import frozen
from chatops.goals import Goal, Restart, back
from chatops.model import KeptRelease
from chatops.tui.paint import span


@frozen
class Choice:
    """One thing that can be agreed to: a goal, its effect in words, and the command that does the same."""

    label: str
    goal: Goal
    effect: str
    command: str


def restart(target: str, workers: int) -> list[Choice]:
    """To replace every worker."""
    effect = f"replaces all {workers} workers by fresh ones of the same release, through the gate"
    return [Choice("restart", Restart(), effect, f"chatops restart {target}")]


def rollback(target: str, releases: Sequence[KeptRelease], first: str | None, now: float) -> list[Choice]:
    """To go to a release that is kept: `first` before the others, those newest first; bad ones never."""
    kept = [release for release in releases if release.state in ("warm", "kept")]
    kept.sort(key=lambda release: (release.id == first, release.created or 0.0), reverse=True)
    return [_back(target, release, back(releases, release.id), now) for release in kept]


def _back(target: str, release: KeptRelease, goal: Goal, now: float) -> Choice:
    age = "" if release.created is None else f", {span(now - release.created)} old"
    by = f", by {release.by}" if release.by else ""
    label = f"{release.id} ({release.state}{age}{by})"
    effect = f"release {release.id} serves again; the one that serves now is kept"
    return Choice(label, goal, effect, f"chatops rollback {target} {release.id}")


class Confirm(ModalScreen[Goal | None]):
    """Gives the goal that was agreed to, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "agree", "yes"),
        Binding("n,escape,q", "dismiss(None)", "no"),
        Binding("up,k", "choose(-1)", "the one above", show=False, priority=True),
        Binding("down,j", "choose(1)", "the one below", show=False, priority=True),
    ]

    def __init__(self, target: str, question: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._target = target
        self._question = question
        self._choices = choices
        self._chosen = 0

    def compose(self) -> ComposeResult:
        """Question, releases to choose from where there are several, effect, command, two buttons."""
        with Vertical(id="confirm"):
            yield Label(f"{self._question} on `{self._target}`?", id="confirm-question", markup=False)
            if len(self._choices) > 1:
                yield OptionList(*(Option(choice.label) for choice in self._choices), id="confirm-choices", markup=False)
            yield Label("", id="confirm-effect", markup=False)
            yield Label("", id="confirm-command", markup=False)
            with Horizontal(id="confirm-buttons"):
                yield Button("No (n)", id="no", compact=True)
                yield Button("Yes (y)", id="yes", compact=True, variant="warning")

    def on_mount(self) -> None:
        """No is what Enter would say."""
        self.query_one("#no", Button).focus()
        self._say()

    def _say(self) -> None:
        choice = self._choices[self._chosen]
        self.query_one("#confirm-effect", Label).update(choice.effect)
        self.query_one("#confirm-command", Label).update(f"the same: {choice.command}")
        for listed in self.query(OptionList):
            listed.highlighted = self._chosen

    def action_choose(self, by: int) -> None:
        """Another of the choices."""
        self._chosen = max(0, min(self._chosen + by, len(self._choices) - 1))
        self._say()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """A click on a release chooses it."""
        self._chosen = event.option_index
        self._say()

    def action_agree(self) -> None:
        """Yes."""
        self.dismiss(self._choices[self._chosen].goal)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The buttons."""
        self.dismiss(self._choices[self._chosen].goal if event.button.id == "yes" else None)
