"""The first file of a user: the example, with everything as comments that would not work as it stands."""

from __future__ import annotations

from collections.abc import Iterator

from yaml import CollectionNode, MappingNode, Node, ScalarNode

from chatops.config.bundled import bundled_example
from chatops.config.report import Report, did_you_mean, quoted
from chatops.config.tree import compose
from chatops.errors import ConfigError
from chatops.targets import catalog

Entry = tuple[ScalarNode, Node]


def starter(kind: str) -> str:
    """Text of a file with one target of this kind. Raises ConfigError for a kind that is not known."""
    if kind not in catalog.kinds():
        known = ", ".join(catalog.kinds())
        raise ConfigError(f"unknown kind {quoted(kind)}", did_you_mean(kind, catalog.kinds(), f"kinds: {known}"))
    text = bundled_example().read_text("utf-8")
    return begin(text, kind)


def begin(example: str, kind: str) -> str:
    """The example with `kind` as its default target; other targets, and references to what is not there, become comments."""
    root = compose(example, Report("the example"))
    lines = example.splitlines()
    for key, value in _idle(root, kind):
        for number in range(key.start_mark.line, _last(key, value) + 1):
            lines[number] = _commented(lines[number], key.start_mark.column)
    default = next(value for key, value in _entries(root) if key.value == "default_target")
    mark = default.start_mark
    lines[mark.line] = lines[mark.line][: mark.column] + kind
    return "\n".join(lines) + "\n"


def _idle(root: Node, kind: str) -> Iterator[Entry]:
    sections = {key.value: value for key, value in _entries(root)}
    app = {key.value: (key, value) for key, value in _entries(sections["app"])}
    yield app["path"]
    yield from (entry for entry in _entries(app["secrets"][1]) if not _generated(entry[1]))
    yield from (entry for entry in _entries(sections["targets"]) if entry[0].value != kind)


def _entries(node: Node) -> list[Entry]:
    return node.value if isinstance(node, MappingNode) else []


def _generated(reference: Node) -> bool:
    return any(key.value == "generate" for key, _ in _entries(reference))


def _last(key: ScalarNode, value: Node) -> int:
    """The last line of an entry; the end mark of a block lies beyond the comments that follow it."""
    if not isinstance(value, CollectionNode) or value.flow_style:
        return int(value.end_mark.line)
    children = [child for entry in value.value for child in (entry if isinstance(entry, tuple) else (entry,))]
    return max((_last(key, child) for child in children), default=int(key.start_mark.line))


def _commented(line: str, column: int) -> str:
    return line if not line[column:] or line.lstrip().startswith("#") else f"{line[:column]}# {line[column:]}"
