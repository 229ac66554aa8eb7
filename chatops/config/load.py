"""From a file on disk to a `Config`, or to every problem in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yaml import MappingNode, Node, ScalarNode

from chatops.config.bundled import bundled_sample
from chatops.config.check import check
from chatops.config.file import AppBlock, File, below, reference
from chatops.config.report import START, Place, Report, did_you_mean, dotted, quoted, shown
from chatops.config.shape import Shape, shape
from chatops.config.source import read
from chatops.config.tree import compose
from chatops.config.values import OWN, Values
from chatops.config.variables import Variables
from chatops.errors import ConfigError, Problem
from chatops.model import App
from chatops.targets import catalog

NAME = "chatops.yaml"


@dataclass(frozen=True, slots=True)
class Entry:
    """A target as the file names it; `block` is the checked model of its kind."""

    name: str
    kind: str
    block: Any


@dataclass(frozen=True, slots=True)
class Config:
    """A file without problems. `file` is absolute; `places` says where each dotted path stands in it."""

    file: Path
    app: App
    targets: Mapping[str, Entry]
    default_target: str | None = None
    places: Mapping[str, Place] = field(default_factory=dict, repr=False, compare=False)

    def pick(self, name: str | None) -> Entry:
        """The named target, else the default one, else the only one. Raises ConfigError otherwise."""
        name = name or self.default_target or (next(iter(self.targets)) if len(self.targets) == 1 else None)
        names = f"targets: {', '.join(self.targets)}"
        if name is None:
            raise ConfigError("which target? there are several and no `default_target`", names)
        if name not in self.targets:
            raise ConfigError(f"no target {quoted(name)} in {shown(self.file)}", did_you_mean(name, self.targets, names))
        return self.targets[name]

    def problem(self, path: str, message: str, hint: str = "") -> Problem:
        """A problem that shows later, at the place of a dotted path (`app.secrets.API_TOKEN`)."""
        report = Report(shown(self.file))
        report.add(self.places.get(path, START), path, message, hint)
        return report.problems[0]


def find(given: Path | None) -> Path:
    """The file to use: the given one, else the nearest `chatops.yaml` from here upwards. Raises ConfigError."""
    if given is not None:
        return given
    here = Path.cwd()
    found = next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), None)
    if found is None:
        raise ConfigError(f"no `{NAME}` here or in a parent folder", "`chatops init` writes one")
    return found


def load(path: Path) -> Config:
    """The checked file. Raises ConfigError with all its problems, sorted by position."""
    file = path.absolute()
    report = Report(shown(file))
    values = Values(report, Variables(file.parent, report.problems))
    root = compose(read(file, report), report)
    kinds = _kinds(root)
    whole = _shape(kinds)
    data = values.value(root, (), whole)
    checked = check(File, data, (), values, whole)
    entries = _entries(data, kinds, values, whole)
    if checked:
        _cross_check(checked, values)
    report.settle()
    assert checked  # noqa: S101  no problem was noted
    places = {dotted(where): place for where, place in values.places.items()}
    return Config(file, _app(checked.app, file.parent), entries, checked.default_target, places)


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
    blocks = {name: shape(catalog.block_model(kind).model_json_schema(), {"kind": text}) for name, kind in known.items()}
    return shape(File.model_json_schema(), {"targets": Shape(children=blocks)})


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


def _app(block: AppBlock, folder: Path) -> App:
    secrets = {name: reference(given, folder) for name, given in block.secrets.items()}
    path = bundled_sample() if block.path is None else below(folder, block.path)
    return App(block.name, path, block.health, block.websocket, block.env, secrets)
