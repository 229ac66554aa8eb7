"""The JSON Schemas of docs/schema, which refer to each other by file name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FOLDER = Path(__file__).parents[1] / "docs" / "schema"
SCHEMAS = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
REGISTRY = Registry().with_resources((name, Resource(schema, DRAFT202012)) for name, schema in SCHEMAS.items())


def hold(value: Any, name: str) -> None:
    """Raises ValidationError where `value` is not what docs/schema/NAME.json says."""
    Draft202012Validator(SCHEMAS[f"{name}.json"], registry=REGISTRY).validate(value)
