"""The JSON Schema of the whole file, for editors: what the loader takes, including `${…}` and keys that begin with `x-`."""

from __future__ import annotations

from typing import Any

from chatops.config.check import json_schema
from chatops.config.file import File
from chatops.config.values import OWN
from chatops.targets import catalog

_REFERENCE = r"\$\{"
_LOOSER: dict[str, dict[str, Any]] = {
    "string": {"type": ["string", "number", "boolean"]},
    "integer": {"type": ["integer", "string"], "pattern": rf"^-?[0-9]+$|{_REFERENCE}"},
    "number": {"type": ["number", "string"], "pattern": rf"^-?[0-9.]+$|{_REFERENCE}"},
    "boolean": {"type": ["boolean", "string"], "pattern": _REFERENCE},
}


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the file, with the blocks of every kind that is installed."""
    whole = json_schema(File)
    blocks = {kind: _block(kind, whole["$defs"]) for kind in catalog.kinds()}
    whole["$defs"] |= blocks
    targets = whole["properties"]["targets"]
    targets.pop("patternProperties", None)
    targets["properties"] = {kind: _optional(kind) for kind in blocks}
    targets["additionalProperties"] = {"anyOf": [_named(kind) for kind in blocks]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_loose(whole), "title": "chatops.yaml"}


def _block(kind: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A kind's block with its own definitions moved up under names of their own, and the key `kind`."""
    template = f"#/$defs/{kind}.{{model}}"
    block: dict[str, Any] = json_schema(catalog.block_model(kind), template)
    definitions |= {f"{kind}.{name}": definition for name, definition in block.pop("$defs", {}).items()}
    block["properties"] = {"kind": {"const": kind}, **block["properties"]}
    return block


def _reference(kind: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{kind}"}


def _optional(kind: str) -> dict[str, Any]:
    """A block under the name of its kind: `kind` can be left out, and with it the whole block."""
    others = [_named(other) for other in catalog.kinds() if other != kind]
    return {"anyOf": [_reference(kind), *others, {"type": "null"}]}


def _named(kind: str) -> dict[str, Any]:
    return {"allOf": [_reference(kind)], "required": ["kind"]}


def _loose(part: Any) -> Any:
    """The same schema, a little wider: text may look like a number, a number may be quoted, and both may be `${…}`."""
    if isinstance(part, list):
        return [_loose(item) for item in part]
    if not isinstance(part, dict):
        return part
    if "enum" in part or "const" in part:
        return {"anyOf": [part, {"type": "string", "pattern": _REFERENCE}]}
    wider = {key: _loose(item) for key, item in part.items()}
    kind = part.get("type")
    if kind == "object":
        return {**wider, "patternProperties": {**wider.get("patternProperties", {}), f"^{OWN}": {}}}
    if kind == "string" and "pattern" in part:
        wider["anyOf"] = [{"pattern": wider.pop("pattern")}, {"pattern": _REFERENCE}]
    return {**wider, **(_LOOSER.get(kind, {}) if isinstance(kind, str) else {})}
