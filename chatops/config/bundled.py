"""What comes with the tool: the sample app and the example file, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def bundled_sample() -> Path:
    """The folder of the sample chat."""
    return _bundled("sample_app")


def bundled_example() -> Path:
    """The annotated example of the file."""
    return _bundled("chatops.example.yaml")


def _bundled(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.exists() else _PACKAGE.parent / name
