"""Bytes in pieces of any size become the same lines, in bounded memory."""

from __future__ import annotations

import sys
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chatops.sanitize import LINE_CAP, sanitize_line
from chatops.splitter import Splitter

NASTY = st.sampled_from(
    [b"\n", b"\r\n", b"\x1b[31m", b"\x1b]0;title\x07", b"\xff\xfe", "é🙂\u202e".encode(), b"[/nope]", b"\x00", b"plain"]
)


def split(pieces: list[bytes]) -> list[str]:
    splitter = Splitter()
    return [line for piece in pieces for line in splitter.feed(piece)] + splitter.rest()


@given(st.lists(NASTY, max_size=40), st.lists(st.integers(0, 60), max_size=10))
def test_where_the_pieces_are_cut_makes_no_difference(parts: list[bytes], cuts: list[int]):
    data = b"".join(parts)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    lines = data.split(b"\n")
    whole = [sanitize_line(line) for line in lines[:-1]] + ([sanitize_line(lines[-1])] if lines[-1] else [])
    assert split([data[a:b] for a, b in pairwise(edges)]) == whole


@given(st.binary(max_size=300))
def test_nothing_that_moves_a_cursor_comes_out(data: bytes):
    for line in split([data]):
        assert not any((char < " " and char != "\t") or "\x7f" <= char < "\xa0" for char in line)


def test_empty_lines_stay():
    assert split([b"a\n\n", b"\nb\n"]) == ["a", "", "", "b"]


def test_a_line_that_is_too_long_is_cut_and_says_by_how_much():
    (line,) = split([b"x" * (LINE_CAP + 500) + b"\n"])
    assert line == "x" * LINE_CAP + " …[500 bytes cut]"


def test_a_long_line_in_a_block_of_short_ones_is_cut_too():
    lines = split([b"a\n" + b"x" * (LINE_CAP + 1) + b"\nb\n"])
    assert [len(line) for line in lines] == [1, LINE_CAP + len(" …[1 bytes cut]"), 1]


def test_a_line_without_end_takes_no_more_memory_than_the_longest_shown():
    splitter = Splitter()
    for _ in range(200):
        assert splitter.feed(b"x" * 100_000) == []
    assert sys.getsizeof(splitter._partial) <= LINE_CAP + 100
    assert splitter.feed(b"\n")[0].endswith(f"…[{200 * 100_000 - LINE_CAP} bytes cut]")
