"""Finds a kind of target by its folder name; nothing is imported before it is asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chatops.errors import ConfigError
from chatops.model import App
from chatops.targets.base import Target

_HERE = Path(__file__).parent


def kinds() -> list[str]:
    """Every kind this installation knows, sorted."""
    return sorted(entry.parent.name for entry in _HERE.glob("*/target.py"))


def block_model(kind: str) -> Any:
    """The block of a target in the file, as a type. Raises ConfigError for an unknown kind."""
    return _part(kind, "config").Block


def make(kind: str, name: str, block: Any, app: App, folder: Path) -> Target[Any]:
    """The target object; `folder` is where the file lies."""
    target: Target[Any] = _part(kind, "target").make(name, block, app, folder)
    return target


def _part(kind: str, part: str) -> Any:
    module = f"chatops.targets.{kind}.{part}"
    if kind not in kinds() or find_spec(module) is None:
        raise ConfigError(f"unknown kind `{kind}`", f"kinds: {', '.join(kinds())}")
    return import_module(module)
