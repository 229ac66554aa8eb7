"""What a JSON Schema lets stand at a place: which keys, and which types of scalar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from chatops.frozen import frozen

Schema = Mapping[str, Any]


@frozen
class Shape:
    """The alternatives at one place, references resolved; `children` are laid over what the schema says."""

    alternatives: tuple[Schema, ...] = ()
    definitions: Schema = field(default_factory=dict)
    children: Mapping[str, Shape] = field(default_factory=dict)

    @property
    def types(self) -> frozenset[str]:
        """The JSON types allowed here; empty where anything is."""
        return frozenset(schema["type"] for schema in self.alternatives if isinstance(schema.get("type"), str))

    @property
    def keys(self) -> frozenset[str]:
        """The keys that a mapping here may have by name."""
        return frozenset(self.children).union(*(schema.get("properties", ()) for schema in self.alternatives))

    def under(self, part: str | int) -> Shape:
        """What is allowed one step down, at a key or a list position."""
        if isinstance(part, str) and part in self.children:
            return self.children[part]
        below = [schema for parent in self.alternatives for schema in _below(parent, part)]
        return Shape(tuple(_flat(below, self.definitions)), self.definitions)


def shape(schema: Schema, children: Mapping[str, Shape] | None = None) -> Shape:
    """The shape at the top of a schema."""
    definitions = schema.get("$defs", {})
    return Shape(tuple(_flat([schema], definitions)), definitions, children or {})


def _below(schema: Schema, part: str | int) -> Iterator[Schema]:
    if isinstance(part, int):
        candidates = [*schema.get("prefixItems", ())[part : part + 1], schema.get("items")]
    elif part in schema.get("properties", ()):
        candidates = [schema["properties"][part]]
    else:
        candidates = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    return (candidate for candidate in candidates if isinstance(candidate, Mapping))


def _flat(schemas: Iterable[Schema], definitions: Schema) -> Iterator[Schema]:
    for schema in schemas:
        if "$ref" in schema:
            yield from _flat([definitions[schema["$ref"].rpartition("/")[2]]], definitions)
        nested = [inner for word in ("anyOf", "oneOf", "allOf") for inner in schema.get(word, ())]
        yield from _flat(nested, definitions)
        yield schema
