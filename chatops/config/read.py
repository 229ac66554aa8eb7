"""From the bytes of the file to its blocks, or to every problem in it: needs pydantic and yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yaml import MappingNode, Node, ScalarNode

from chatops.config.check import check, json_schema
from chatops.config.file import Entry, File, Meaning
from chatops.config.report import Report, did_you_mean, dotted, quoted
from chatops.config.shape import Shape, shape
from chatops.config.source import decode
from chatops.config.tree import compose
from chatops.config.values import OWN, Values
from chatops.config.variables import Variables
from chatops.targets import catalog


def read(file: Path, content: bytes, report: Report) -> Meaning:
    """What the bytes of a file mean. Raises ConfigError with all problems, sorted by position."""
    variables = Variables(file.parent, report.problems)
    values = Values(report, variables)
    root = compose(decode(content, report), report)
    kinds = _kinds(root)
    whole = _shape(kinds)
    data = values.value(root, (), whole)
    checked = check(File, data, (), values, whole)
    entries = _entries(data, kinds, values, whole)
    _keep_apart(entries, values)
    if checked:
        _cross_check(checked, values)
    report.settle()
    assert checked  # noqa: S101  no problem was noted
    places = {dotted(where): place for where, place in values.places.items()}
    return Meaning(checked, entries, places, lasting=not variables.used)


def _kinds(root: Node) -> dict[str, str]:
    """The kind of each target: its `kind` key, else its own name."""
    targets = _children(root).get("targets")
    named = {name: _children(block).get("kind") for name, block in _children(targets).items()}
    return {name: kind.value if isinstance(kind, ScalarNode) else name for name, kind in named.items()}


def _children(node: Node | None) -> dict[str, Node]:
    """What a mapping holds by name; of a repeated key the first counts, as everywhere."""
    pairs = reversed(node.value) if isinstance(node, MappingNode) else ()
    return {key.value: child for key, child in pairs if isinstance(key, ScalarNode) and not key.value.startswith(OWN)}


def _shape(kinds: Mapping[str, str]) -> Shape:
    """What the whole file may hold, given the kinds of its targets."""
    known = {name: kind for name, kind in kinds.items() if kind in catalog.kinds()}
    text = Shape(({"type": "string"},))
    blocks = {name: shape(json_schema(catalog.block_model(kind)), {"kind": text}) for name, kind in known.items()}
    return shape(json_schema(File), {"targets": Shape(children=blocks)})


def _entries(data: Any, kinds: Mapping[str, str], values: Values, whole: Shape) -> dict[str, Entry]:
    """Every target whose block is sound; the faults of the others are noted."""
    targets = data.get("targets") if isinstance(data, dict) else None
    blocks = targets if isinstance(targets, dict) else {}
    entries = (_entry(name, kinds[name], block, values, whole) for name, block in blocks.items())
    return {entry.name: entry for entry in entries if entry}


def _entry(name: str, kind: str, block: Any, values: Values, whole: Shape) -> Entry | None:
    where = ("targets", name)
    if kind not in catalog.kinds():
        _note_kind(name, kind, values)
        return None
    settings = {key: value for key, value in block.items() if key != "kind"} if isinstance(block, dict) else block
    model = check(catalog.block_model(kind), {} if block is None else settings, where, values, whole)
    return Entry(name, kind, model) if model else None


def _note_kind(name: str, kind: str, values: Values) -> None:
    where = ("targets", name, "kind")
    known = catalog.kinds()
    if where in values.places:
        values.report.add(values.place(where), where, f"unknown kind {quoted(kind)}", did_you_mean(kind, known, _list(known)))
    else:
        hint = did_you_mean(name, known, f"say which with `kind:`; {_list(known)}")
        values.report.add(values.key(where[:2]), where[:2], "is no kind of target, and has no `kind`", hint)


def _list(known: list[str]) -> str:
    return f"kinds: {', '.join(known)}"


def _cross_check(file: File, values: Values) -> None:
    default = file.default_target
    if default is not None and default not in file.targets:
        hint = did_you_mean(default, file.targets, f"targets: {', '.join(file.targets)}")
        values.report.add(values.place(("default_target",)), "default_target", f"no target {quoted(default)}", hint)
    for name in file.app.secrets.keys() & file.app.env.keys():
        where = ("app", "secrets", name)
        values.report.add(values.key(where), where, "stands under `app.env` too", "keep one of the two")


def _keep_apart(entries: Mapping[str, Entry], values: Values) -> None:
    """Two targets at one place would take turns in overwriting each other; blocks that have such places name them."""
    owners: dict[str, str] = {}
    for entry in entries.values():
        for place, way in getattr(entry.block, "places", {}).items():
            if (owner := owners.setdefault(place, entry.name)) != entry.name:
                where = ("targets", entry.name, *way)
                hint = "an app is on a host once: a file of its own, with another `app.name`, puts a second one beside it"
                values.report.add(values.place(where), where, f"`{owner}` has this host, too", hint)
