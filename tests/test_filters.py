"""What is shown, what ends the watching, and how people write both."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from chatops.errors import ConfigError
from chatops.filters import Ending, Filter, level, moment, pattern, patterns
from tests.fakes import line


def test_an_empty_filter_shows_all():
    assert Filter().passes(line(1, "x", level="debug"))


def test_from_and_to_are_part_of_it():
    wanted = Filter(since=2, until=3)
    assert [wanted.passes(line(moment, "x")) for moment in (1.9, 2, 3, 3.1)] == [False, True, True, False]


def test_a_level_shows_what_is_as_grave_or_graver():
    wanted = Filter(level="warning")
    assert [wanted.passes(line(1, "x", level=name)) for name in ("debug", "info", "warning", "error")] == [
        False,
        False,
        True,
        True,
    ]


def test_every_grep_must_match_and_no_exclude():
    wanted = Filter(grep=patterns(["room", "lobby"]), exclude=patterns(["ping"]))
    assert wanted.passes(line(1, "lobby room"))
    assert not wanted.passes(line(1, "room"))
    assert not wanted.passes(line(1, "ping lobby room"))


def test_fields_are_searched_as_they_are_shown():
    assert Filter(grep=patterns(["request=42"])).passes(line(1, "done", fields={"request": 42}))


def test_lower_case_ignores_case_and_capitals_do_not():
    assert Filter(grep=patterns(["error"])).passes(line(1, "ERROR"))
    assert not Filter(grep=patterns(["Error"])).passes(line(1, "ERROR"))
    assert Filter(grep=patterns([r"\Serror"])).passes(line(1, "xERROR"))


@pytest.mark.parametrize(("asked", "found"), [("chat-r1-1", True), ("1", True), ("r1-1", True), ("2", False), ("chat", False)])
def test_a_worker_by_name_or_number(asked: str, found: bool):
    assert Filter(workers=frozenset([asked])).passes(line(1, "x", worker="chat-r1-1")) is found
    assert Filter(workers=frozenset(["1"])).passes(line(1, "x", worker="web.1"))


def test_hosts():
    assert not Filter(hosts=frozenset(["a"])).passes(line(1, "x", host="b"))


def test_an_ending_prefers_the_failure():
    ending = Ending(until_match=pattern("listening"), fail_on=pattern("EADDRINUSE"))
    assert ending.of(line(1, "starting")) == ""
    assert ending.of(line(1, "listening")) == "matched"
    assert ending.of(line(1, "not listening: EADDRINUSE")) == "failed"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("1.5m", 90), ("1w", 604800)]
)
def test_durations_count_back_from_now(text: str, seconds: float):
    assert moment(text) == pytest.approx(time.time() - seconds, abs=5)


@pytest.mark.parametrize("text", ["2025-11-22T21:46:40Z", "2025-11-22T22:46:40+01:00", "2025-11-22 21:46:40+00:00"])
def test_times_with_a_zone(text: str):
    assert moment(text) == 1_763_848_000


def test_times_without_a_zone_are_local():
    assert moment("2025-11-22T21:46:40") == datetime(2025, 11, 22, 21, 46, 40).timestamp()


@pytest.mark.parametrize("text", ["", "m", "10", "10x", "-5m", "yesterday", "2025-13-01"])
def test_what_is_no_time_is_said_with_an_example(text: str):
    with pytest.raises(ConfigError, match="is no time") as caught:
        moment(text)
    assert "10m" in caught.value.hint


def test_a_broken_pattern_is_said():
    with pytest.raises(ConfigError, match=r"`\[` is no regular expression"):
        pattern("[")


def test_levels_by_name_and_letter():
    assert [level(text) for text in ("E", "warn", "INFO", "debug")] == ["error", "warning", "info", "debug"]
    with pytest.raises(ConfigError, match="`loud` is no level"):
        level("loud")
