"""What a script printed in sections, each begun by a line `MARK NAME ARGUMENT` that nobody else can print."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Sections:
    """What the script printed: the lines under each name, and under each name with an argument."""

    lists: dict[str, list[str]] = field(default_factory=dict)
    named: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, mark: str) -> Sections:
        """Lines that are not ours before the first mark are left out."""
        sections, lines = cls(), list[str]()
        for line in text.split("\n"):
            if not line.startswith(f"{mark} "):
                lines.append(line)
                continue
            name, _, argument = line.removeprefix(f"{mark} ").partition(" ")
            lines = (
                sections.named.setdefault(name, {}).setdefault(argument, [])
                if argument
                else sections.lists.setdefault(name, [])
            )
        return sections

    def lines(self, name: str) -> list[str]:
        """The lines of a section that are not empty."""
        return [line for line in self.lists.get(name, []) if line]

    def words(self, name: str, count: int) -> list[str]:
        """The first `count` lines, empty where there are fewer."""
        return [*self.lists.get(name, []), *[""] * count][:count]

    def under(self, name: str) -> Mapping[str, list[str]]:
        """The sections of a name that have an argument."""
        return self.named.get(name, {})


def number(text: object, otherwise: float = 0.0) -> float:
    """A finite number out of foreign text."""
    try:
        value = float(str(text))
    except ValueError:
        return otherwise
    return value if math.isfinite(value) else otherwise


def record(lines: Iterable[str]) -> dict[str, Any]:
    """The JSON object in the first line; empty where there is none."""
    try:
        value = json.loads(next(iter(lines), ""))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
