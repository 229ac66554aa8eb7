"""Lines for people: who said what when and how bad it is, never by colour alone."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from chatops.events import HealthSample, Notice, WorkerSample
from chatops.model import Worker
from chatops.render.text import WIDEST, Text, color_of
from tests.fakes import line

MOMENT = 1_763_848_000.1234
PLAIN = Text(color=False, utc=True)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def test_a_line_in_utc():
    assert PLAIN(line(MOMENT, "joined", fields={"room": "lobby", "pid": 1})) == "11-22 21:46:40.123Z I chat-1 joined room=lobby"


def test_a_line_in_local_time(monkeypatch: pytest.MonkeyPatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert Text(color=False, utc=False)(line(MOMENT, "x")).startswith("11-23 03:16:40.123 I")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(("level", "letter"), [("debug", "D"), ("info", "I"), ("warning", "W"), ("error", "E")])
def test_levels_are_letters(level: str, letter: str):
    assert f" {letter} " in PLAIN(line(MOMENT, "x", level=level))


def test_colour_adds_nothing_but_colour():
    for event in (line(MOMENT, "x", level="error"), Notice(time=MOMENT, message="cut", level="warning")):
        assert ANSI.sub("", Text(color=True, utc=True)(event)) == Text(color=False, utc=True)(event)


def test_no_escape_without_colour():
    assert "\x1b" not in PLAIN(line(MOMENT, "x", level="error"))


def test_the_second_is_not_kept_when_it_changes():
    text = Text(color=False, utc=True)
    assert [text(line(moment, "x"))[:18] for moment in (0.9996, 1.0, 59.9999, 0.5)] == [
        "01-01 00:00:01.000", "01-01 00:00:01.000", "01-01 00:01:00.000", "01-01 00:00:00.500",
    ]  # fmt: skip


def test_messages_stand_below_each_other():
    text = Text(color=False, utc=True)
    text(line(MOMENT, "x", worker="a-long-name-1"))
    assert text(line(MOMENT, "y", worker="web.1")) == "11-22 21:46:40.123Z I web.1         y"


def test_a_name_that_is_too_long_keeps_its_end():
    label = PLAIN(line(MOMENT, "x", worker="chat-20261122T214555-abcdef-1")).split()[3]
    assert len(label) == WIDEST
    assert label.startswith("…")
    assert label.endswith("-abcdef-1")


def test_a_host_stands_before_the_worker_and_a_source_instead_of_none():
    text = Text(color=False, utc=True)
    assert " 203.0.113.9/chat-1 x" in text(line(MOMENT, "x", host="203.0.113.9"))
    assert " nginx " in text(line(MOMENT, "x", worker="", source="nginx"))


def test_the_colour_of_a_worker_is_the_same_in_every_run():
    code = "from chatops.render.text import color_of; print(repr(color_of('chat-1')))"
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert runs == {f"{color_of('chat-1')!r}\n"}


def test_markup_of_other_tools_is_text():
    assert PLAIN(line(MOMENT, "[/nope] [red]x[/red]")).endswith("[/nope] [red]x[/red]")


def test_health_and_workers_are_lines_too():
    well = HealthSample(time=MOMENT, target="fake", ok=True, status=200, latency_ms=3.4, release="r1")
    down = HealthSample(time=MOMENT, target="fake", ok=False, status=0, latency_ms=9, message="refused")
    assert Text(color=False, utc=True)(well) == "11-22 21:46:40.123Z I chatops healthy (200, 3 ms, release r1)"
    assert Text(color=False, utc=True)(down) == "11-22 21:46:40.123Z E chatops unhealthy (no answer, 9 ms): refused"
    crew = WorkerSample(time=MOMENT, target="fake", workers=(Worker("a-1", "", "up"), Worker("a-2", "", "crashed")))
    assert Text(color=False, utc=True)(crew) == "11-22 21:46:40.123Z I chatops workers: a-1 up, a-2 crashed"
