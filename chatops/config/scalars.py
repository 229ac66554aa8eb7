"""What the text of a scalar means where it stands: YAML 1.2 words and numbers, and only where they are asked for."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

Scalar = str | int | float | bool | None

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "false": False}
_ANY = {"null", "boolean", "integer", "string"}
_INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,17})\Z")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?\Z")

TOKENS = re.compile(
    r"HRKU-[A-Za-z0-9_-]{16}|gh[pousr]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9_]{20}|(AKIA|ASIA)[A-Z0-9]{16}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
"""Text that is a credential by its looks: Heroku, GitHub, AWS, a private key in PEM."""


def typed(text: str, plain: bool, types: AbstractSet[str]) -> Scalar:
    """`text` as the first fitting of the JSON `types`; left as text where none fits, so that the schema can refuse it.

    `plain`: written without quotes. Where a number is wanted digits are one, quoted or not; nothing else is ever guessed.
    """
    wanted = types or (_ANY if plain else {"string"})
    if plain and text in _NULLS and ("null" in wanted or not text):
        return None
    if "string" in wanted and not (plain and len(wanted) > 1):
        return text
    if "integer" in wanted and _INTEGER.match(text):
        return int(text)
    if "number" in wanted and _DECIMAL.match(text):
        return float(text)
    if "boolean" in wanted and plain and text in _BOOLEANS:
        return _BOOLEANS[text]
    return text
