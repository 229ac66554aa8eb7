"""Holds data to a block and says every fault in our words, at its place in the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import DEFAULT_REF_TEMPLATE

from chatops.config.report import Where, did_you_mean
from chatops.config.shape import Shape
from chatops.config.values import Values
from chatops.wants import Hinted

BlockT = TypeVar("BlockT")

_WORDS = {
    "missing": "is missing",
    "unexpected_keyword_argument": "unknown key",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be `true` or `false`",
    "string_type": "must be text",
    "dataclass_type": "must be a mapping of `key: value` lines",
    "dict_type": "must be a mapping of `key: value` lines",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_pattern_mismatch": "must match `{pattern}`",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
    "value_error": "{error}",
}
_KEY = "[key]"

Fault = Mapping[str, Any]


def check(block: type[BlockT], data: Any, where: Where, values: Values, shape: Shape) -> BlockT | None:
    """The block made of `data`, or None when it has faults; they are noted, but for those that follow from known ones."""
    try:
        # JSON and strict: types were decided by the file's text, so nothing may be converted once more.
        return TypeAdapter(block).validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        faults = [(_where(fault, where, values), fault) for fault in error.errors(include_url=False)]
    ways = [way for way, _ in faults]
    for way in dict.fromkeys(ways):
        found = [fault for other, fault in faults if other == way and not _overruled(way, fault, ways)]
        if found and not values.spoiled(way):
            _note(way, found, values, shape)
    return None


def json_schema(block: type, template: str = DEFAULT_REF_TEMPLATE) -> dict[str, Any]:
    """JSON Schema of a block."""
    return TypeAdapter(block).json_schema(ref_template=template)


def _where(fault: Fault, base: Where, values: Values) -> Where:
    """The way to a fault in the file; pydantic's names for the members of a union are left out."""
    where = base
    for part in fault["loc"]:
        if (*where, part) in values.places:
            where = (*where, part)
    return (*where, fault["loc"][-1]) if fault["type"] == "missing" else where


def _overruled(where: Where, fault: Fault, others: list[Where]) -> bool:
    """Whether a member of a union was refused only because another member fits better and has faults further down."""
    deeper = any(len(other) > len(where) and other[: len(where)] == where for other in others)
    return deeper and fault["type"] in _WORDS and fault["type"].endswith(("_type", "literal_error"))


def _note(where: Where, faults: Sequence[Fault], values: Values, shape: Shape) -> None:
    """Several faults at one place are what each member of a union wants."""
    message = ", or ".join(dict.fromkeys(_message(fault) for fault in faults))
    hint = next((error.hint for fault in faults if isinstance(error := fault.get("ctx", {}).get("error"), Hinted)), "")
    kind, key = faults[0]["type"], values.key(where)
    if kind == "unexpected_keyword_argument":
        values.report.add(key, where, message, _known(where, shape))
    elif kind == "missing":
        values.report.add(values.key(where[:-1]), where, message)
    else:
        values.report.add(key if _KEY in faults[0]["loc"] else values.place(where), where, message, hint)


def _message(fault: Fault) -> str:
    if fault.get("input", 0) is None and fault["type"].endswith("_type"):
        return "is empty"
    words = _WORDS.get(fault["type"])
    if words is None:
        return str(fault["msg"][:1].lower() + fault["msg"][1:])
    context = {name: str(value).replace("'", "`") for name, value in fault.get("ctx", {}).items()}
    return ("the key " if _KEY in fault["loc"] else "") + words.format(**context)


def _known(where: Where, shape: Shape) -> str:
    key = str(where[-1])
    if key == "<<":
        return "merge keys are not supported: write the keys out"
    for part in where[:-1]:
        shape = shape.under(part)
    keys = sorted(shape.keys)
    return did_you_mean(key, keys, f"known keys: {', '.join(keys)}; keys that begin with `x-` are yours")
