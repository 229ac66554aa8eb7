"""Secrets: a value that prints as `[redacted]`, and the filter that hides it in foreign text."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
SHORTEST = 6
"""Values shorter than this are not searched for in text: they would mask ordinary words."""


class Secret:
    """A string that shows itself redacted everywhere but in `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; call it where it is written to a file, stdin or an API body, nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return (Secret, (MASK,))


class Redactor:
    """Replaces every known secret, and its usual encodings, in text."""

    def __init__(self, secrets: Iterable[Secret | str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret.reveal() if isinstance(secret, Secret) else secret)}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """`text` without the secrets this redactor knows."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(value: str) -> set[str]:
    """The value as it may be met in output: plain, line by line, URL-, JSON-, shell- and base64-encoded."""
    lines = {value, *value.splitlines()}
    encoded = {encode(line) for line in lines for encode in (quote, quote_plus, shlex.quote, _json_text, _base64)}
    return {form for form in lines | encoded if len(form) >= SHORTEST}


def _json_text(value: str) -> str:
    return json.dumps(value)[1:-1]


def _base64(value: str) -> str:
    return base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
