"""Files that grow, are rotated and are truncated, read by name as `tail -F` would."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops.tail import BLOCK, Tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "out.log"


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def drained(tail: Tail) -> list[str]:
    """Everything there is to read now."""
    lines: list[str] = []
    while (new := tail.read()) or tail.more:
        lines += new
    return lines


def test_a_file_that_is_not_there_yet_is_read_from_its_beginning(log: Path):
    tail = Tail(log)
    assert drained(tail) == []
    append(log, "one\n")
    assert drained(tail) == ["one"]


@pytest.mark.parametrize(("count", "found"), [(0, []), (1, ["c"]), (2, ["b", "c"]), (3, ["a", "b", "c"]), (9, ["a", "b", "c"])])
def test_the_last_lines(log: Path, count: int, found: list[str]):
    append(log, "a\nb\nc\n")
    tail = Tail(log)
    assert tail.last(count, whole=False) == len(found)
    assert drained(tail) == found


def test_an_unfinished_line_counts_only_when_nothing_more_is_awaited(log: Path):
    append(log, "a\nb\nunfinished")
    tail = Tail(log)
    assert tail.last(2, whole=True) == 2
    assert drained(tail) + tail.rest() == ["b", "unfinished"]


def test_an_unfinished_line_comes_whole_when_it_is_followed(log: Path):
    append(log, "a\nunfini")
    tail = Tail(log)
    tail.last(0, whole=False)
    assert drained(tail) == []
    append(log, "shed\n")
    assert drained(tail) == ["unfinished"]


@settings(max_examples=30)
@given(st.lists(st.integers(0, BLOCK // 2), max_size=8), st.integers(0, 9))
def test_the_last_lines_are_found_across_blocks(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], count: int):
    log = tmp_path_factory.mktemp("tail") / "out.log"
    lines = [str(number) * size for number, size in enumerate(sizes)]
    log.write_text("".join(f"{line}\n" for line in lines))
    tail = Tail(log)
    assert tail.last(count, whole=False) == min(count, len(lines))
    assert [line[:50] for line in drained(tail)] == [line[:50] for line in lines[len(lines) - min(count, len(lines)) :]]


def test_lines_since_a_time_are_found_without_reading_all(log: Path):
    log.write_text("".join(f"{number} {'x' * 90}\n" for number in range(20_000)))
    tail = Tail(log)
    tail.since(lambda line: float(line.split()[0]), 19_000)
    numbers = [int(line.split()[0]) for line in drained(tail)]
    assert numbers[-1] == 19_999
    assert 10_000 < numbers[0] <= 19_000


def test_rotation_by_rename_loses_nothing(log: Path):
    append(log, "a\n")
    tail = Tail(log)
    assert drained(tail) == ["a"]
    append(log, "b\n")
    log.rename(log.with_suffix(".1"))
    append(log.with_suffix(".1"), "c\n")
    append(log, "d\n")
    assert drained(tail) == ["b", "c", "d"]


def test_a_writer_that_goes_on_with_the_old_file_is_read_until_the_new_one_has_something(log: Path):
    append(log, "a\n")
    tail = Tail(log)
    drained(tail)
    log.rename(log.with_suffix(".1"))
    log.touch()
    append(log.with_suffix(".1"), "late\n")
    assert drained(tail) == ["late"]
    append(log, "new\n")
    assert drained(tail) == ["new"]


def test_truncation_starts_over(log: Path):
    append(log, "a long first line\n")
    tail = Tail(log)
    drained(tail)
    log.write_text("b\n")
    assert drained(tail) == ["b"]


@pytest.mark.parametrize(
    "new", ["b\n", "2 first line\n", "2 first line\n2 second line\n"], ids=["shorter", "as long", "longer"]
)
def test_truncation_between_two_looks_is_seen_however_much_is_written_after_it(log: Path, new: str):
    append(log, "1 first line\n")
    tail = Tail(log)
    tail.last(0, whole=False)
    log.write_text(new)
    assert drained(tail) == new.splitlines()


def test_a_deleted_file_is_read_to_its_end_and_a_new_one_after_it(log: Path):
    append(log, "a\n")
    tail = Tail(log)
    drained(tail)
    append(log, "b\n")
    log.unlink()
    assert drained(tail) == ["b"]
    append(log, "c\n")
    assert drained(tail) == ["c"]


def test_a_rotation_in_the_middle_of_a_line_does_not_join_two_lines(log: Path):
    append(log, "half")
    tail = Tail(log)
    drained(tail)
    log.unlink()
    append(log, "new\n")
    assert drained(tail) == ["half", "new"]
