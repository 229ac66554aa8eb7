"""The tree of nodes as plain data, each scalar typed by what the schema wants there, each value with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from chatops.config.report import START, Place, Report, Where
from chatops.config.scalars import TOKENS, Scalar, typed
from chatops.config.shape import Shape
from chatops.config.tree import REFUSED, start
from chatops.config.variables import Variables, interpolate

OWN = "x-"
"""Keys that begin so are the user's own and are left out."""

LITERAL: Where = ("app", "secrets")
"""Where `${…}` stays as it is written."""

_UNUSABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(slots=True)
class Values:
    """Makes data of nodes; remembers where each value and key stands, and which values are known to be faulty."""

    report: Report
    variables: Variables
    places: dict[Where, Place] = field(default_factory=dict)
    keys: dict[Where, Place] = field(default_factory=dict)
    faulty: set[Where] = field(default_factory=set)

    def value(self, node: Node, where: Where, shape: Shape) -> Any:
        """The data below `node`."""
        self.places[where] = start(node)
        if isinstance(node, MappingNode):
            return {key: self.value(child, (*where, key), shape.under(key)) for key, child in self._entries(node, where)}
        if isinstance(node, SequenceNode):
            return [self.value(child, (*where, index), shape.under(index)) for index, child in enumerate(node.value)]
        return self._scalar(node, where, shape) if isinstance(node, ScalarNode) else None

    def place(self, where: Where) -> Place:
        """Where a value begins, or the nearest one above it that is there."""
        return next((self.places[where[:end]] for end in range(len(where), -1, -1) if where[:end] in self.places), START)

    def key(self, where: Where) -> Place:
        """Where a value's key stands, or else the value."""
        return self.keys.get(where) or self.place(where)

    def spoiled(self, where: Where) -> bool:
        """Whether a problem with this value, or with one above it, is already known."""
        return any(where[:end] in self.faulty for end in range(len(where) + 1))

    def _entries(self, node: MappingNode, where: Where) -> Iterator[tuple[str, Node]]:
        for key_node, child in node.value:
            key = self._key(key_node, where)
            if key is not None and key.startswith(OWN):
                self.value(child, (*where, key), Shape())
            elif key is not None:
                yield key, child

    def _key(self, node: Node, where: Where) -> str | None:
        """The text of a key, or None when it can't be used."""
        if not isinstance(node, ScalarNode) or node.tag == REFUSED:
            self.report.add(start(node), where, "a key must be text", "quote a value that begins with `{` or `[`")
            return None
        key: str = node.value
        if not key or _UNUSABLE.search(key):
            self.report.add(start(node), where, "a key holds a NUL or half a surrogate pair" if key else "a key is empty")
            return None
        if first := self.keys.get((*where, key)):
            self.report.add(start(node), (*where, key), "is there twice", f"the first one is on line {first.line}")
            return None
        self.keys[(*where, key)] = start(node)
        return key

    def _scalar(self, node: ScalarNode, where: Where, shape: Shape) -> Scalar:
        if node.tag == REFUSED:
            self.faulty.add(where)
            return None
        text = node.value if _literal(where) else self._interpolated(node, where)
        if TOKENS.search(text):
            self._fault(where, "looks like a secret", "replace it, and put a reference to the new one under `app.secrets`")
        if _UNUSABLE.search(text):
            self._fault(where, "holds a NUL or half a surrogate pair")
            return None
        return typed(text, node.style is None and (text == node.value or text != ""), shape.types)

    def _interpolated(self, node: ScalarNode, where: Where) -> str:
        return interpolate(node.value, self.variables, lambda message, hint: self._fault(where, message, hint))

    def _fault(self, where: Where, message: str, hint: str = "") -> None:
        self.faulty.add(where)
        self.report.add(self.places[where], where, message, hint)


def _literal(where: Where) -> bool:
    return where[:2] == LITERAL or any(str(part).startswith(OWN) for part in where)
