"""A secret shows itself nowhere: not by its type, not in text, not encoded."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import shlex
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from chatops.redact import MASK, SHORTEST, Redactor, Secret

VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=SHORTEST)


@given(VALUES)
def test_a_secret_prints_as_redacted(value: str) -> None:
    secret = Secret(value)
    assert {str(secret), repr(secret), f"{secret}", f"{secret!r}", f"{secret}"} == {MASK}
    assert secret.reveal() == value
    assert pickle.loads(pickle.dumps(secret)).reveal() == MASK  # noqa: S301
    assert copy.copy(secret).reveal() == MASK


@given(VALUES, st.text(), st.text())
def test_the_redactor_hides_every_form(value: str, before: str, after: str) -> None:
    redact = Redactor([Secret(value)])
    for form in (value, quote(value), shlex.quote(value), json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode()):
        assert form not in redact(before + form + after) or form in MASK


def test_lines_of_a_secret_are_hidden_one_by_one() -> None:
    redact = Redactor([Secret("-----BEGIN-----\nMIIEabcdef\n-----END-----")])
    assert redact("key: MIIEabcdef") == f"key: {MASK}"


def test_short_values_are_left_alone() -> None:
    assert Redactor([Secret("abc")])("abcdef") == "abcdef"
    assert Redactor()("anything") == "anything"


def test_the_longest_form_wins() -> None:
    assert Redactor(["secret-one", "secret-one-two"])("x secret-one-two y") == f"x {MASK} y"
