"""Nothing foreign reaches a terminal as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops.sanitize import LINE_CAP, sanitize, sanitize_line

SAFE_CONTROLS = {"\t"}


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    shown = sanitize(text)
    assert not [one for one in shown if (ord(one) < 32 or 0x7F <= ord(one) < 0xA0) and one not in SAFE_CONTROLS]
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff\u200e\u200f\u061c")


@given(st.binary(max_size=300))
def test_any_bytes_become_a_line(raw: bytes) -> None:
    assert sanitize_line(raw).isprintable() or "\t" in sanitize_line(raw) or not sanitize_line(raw).isascii()


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_plain_text_is_left_alone(text: str) -> None:
    assert sanitize(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        (b"over\rwrite", "over\\x0dwrite"),
        (b"line\r", "line"),
        ("\u202egnp.exe".encode(), "\\u202egnp.exe"),
        (b"[/nope]", "[/nope]"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"\xc2\x9b31m", "\\x9b31m"),
        (b"a\tb", "a\tb"),
    ],
)
def test_known_tricks(raw: bytes, shown: str) -> None:
    assert sanitize_line(raw) == shown


def test_long_lines_are_cut_and_say_so() -> None:
    shown = sanitize_line(b"x" * (LINE_CAP + 17))
    assert shown.endswith("…[17 bytes cut]")
    assert len(shown) < LINE_CAP + 30
