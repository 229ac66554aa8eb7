"""Values become words of a shell and come out again as they were."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops import shell

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_words_come_out_as_they_were(values: list[str]) -> None:
    script = f"printf '%s\\0' {shell.words(*values)}" if values else "true"
    printed = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout
    assert printed.decode().split("\0")[:-1] == values


@settings(max_examples=30, deadline=None)
@given(TEXT)
def test_assignments_hold_any_text(value: str) -> None:
    script = f"{shell.assign('NAME', value)}; printf '%s.' \"$NAME\""
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode() == f"{value}."


@pytest.mark.parametrize("name", ["a-b", "1a", "", "a;b", "a\n"])
def test_a_bad_variable_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no shell variable name"):
        shell.assign(name, "x")


def test_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        shell.words("a\0b")


@settings(max_examples=30, deadline=None)
@given(text=TEXT)
def test_written_files_hold_any_text(text: str) -> None:
    path = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip()) / "a file's name"
    try:
        subprocess.run(["sh", "-c", shell.write(path, text)], check=True)
        assert path.read_bytes().decode() == f"{text}\n"
    finally:
        path.unlink()
        path.parent.rmdir()
