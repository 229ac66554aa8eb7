"""From a file on disk to a `Config`, or to every problem in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from chatops.config import remembered
from chatops.config.bundled import bundled_sample
from chatops.config.file import AppBlock, Entry, Meaning, below, reference
from chatops.config.report import START, Place, Report, did_you_mean, quoted, shown
from chatops.config.source import content
from chatops.errors import ConfigError, Problem
from chatops.frozen import frozen
from chatops.model import App

NAME = "chatops.yaml"


@frozen
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
    given = content(file, Report(shown(file)))
    meaning = remembered.recall(file, given) or _read(file, given)
    app = _app(meaning.block.app, file.parent)
    return Config(file, app, meaning.targets, meaning.block.default_target, meaning.places)


def _read(file: Path, given: bytes) -> Meaning:
    from chatops.config.read import read  # pydantic and yaml: 90 ms

    meaning = read(file, given, Report(shown(file)))
    if meaning.lasting:
        remembered.remember(file, given, meaning)
    return meaning


def _app(block: AppBlock, folder: Path) -> App:
    secrets = {name: reference(given, folder) for name, given in block.secrets.items()}
    path = bundled_sample() if block.path is None else below(folder, block.path)
    return App(block.name, path, block.health, block.websocket, block.env, secrets)
