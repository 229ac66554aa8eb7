"""Events as JSON, one object a line (CONTRACT, "JSON")."""

from __future__ import annotations

import json

from chatops.events import Event, to_json

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def line(event: Event) -> str:
    """One event as a line of JSON, without the newline."""
    return _ENCODER.encode(to_json(event))


def write(event: Event) -> None:
    """One event to standard output, at once."""
    print(line(event), flush=True)
