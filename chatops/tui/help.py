"""The help screen: every key with what it does, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

Section = tuple[str, Iterable[BindingType]]
NAMES = {
    **{"question_mark": "?", "slash": "/", "ampersand": "&", "colon": ":", "plus": "+", "minus": "-"},
    **{"left_square_bracket": "[", "right_square_bracket": "]"},
}
"""How keys are written that Textual spells out."""
LEGEND = (
    "● up, healthy   ▲ degraded, slow   ✖ failed, down   ◌ unknown, starting   ▼ release changed\n"
    "In the strip one cell is one probe, newest right. D I W E are the levels of a line.\n"
    "`only` takes an expression and `!expression`, as `chatops logs --grep --exclude` do."
)


class Help(ModalScreen[None]):
    """Closed by the keys that close everything."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1", "dismiss(None)", "close")]

    def __init__(self, sections: Sequence[Section]) -> None:
        super().__init__()
        self._sections = sections

    def compose(self) -> ComposeResult:
        """One scrollable page."""
        with VerticalScroll(id="help"):
            yield Static(_page(self._sections), markup=False)


def _page(sections: Sequence[Section]) -> Content:
    parts: list[str | tuple[str, str]] = []
    for title, bindings in sections:
        parts.append((f"{title}\n", "bold $accent"))
        for binding in bindings:
            if isinstance(binding, Binding) and binding.description:
                parts += [(f"  {_keys(binding):<22}", "bold"), f"{binding.description}\n"]
        parts.append("\n")
    return Content.assemble(*parts, (LEGEND, "dim"))


def _keys(binding: Binding) -> str:
    return " ".join(NAMES.get(key, key) for key in binding.key.split(","))
