"""Raw lines of all kinds become LogLines, and nothing in them can do harm."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops.events import LogLine, to_json
from chatops.loglines import DEEPEST, Origin, Parser, level_of, shown
from chatops.sanitize import sanitize

NOW = 1_763_900_000.0
MOMENT = 1_763_848_000.0
ORIGIN = Origin(target="local", host="h", worker="chat-1", source="app")


def parsed(text: str, origin: Origin = ORIGIN) -> LogLine:
    return Parser(origin)(text, NOW)


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "text",
    [
        '{"level":50,"time":1763848000000,"msg":"no"}',
        '{"level":"error","time":"2025-11-22T21:46:40.000Z","msg":"no"}',
        '{"severity":"ERROR","timestamp":"2025-11-22T22:46:40+01:00","message":"no"}',
        '{"lvl":"fatal","ts":1763848000.0,"message":"no"}',
        '{"level":60,"@timestamp":"2025-11-22T21:46:40Z","msg":"no"}',
    ],
    ids=["pino", "words", "google", "zap", "logstash"],
)
def test_json_lines_of_many_loggers(text: str):
    line = parsed(text)
    assert (line.time, line.level, line.message, line.fields) == (MOMENT, "error", "no", {})


def test_a_line_carries_where_it_comes_from():
    line = parsed("hello")
    assert (line.target, line.host, line.worker, line.source, line.stream) == ("local", "h", "chat-1", "app", "out")


def test_fields_are_kept():
    assert parsed('{"msg":"x","user":{"id":7},"tags":["a"],"ok":true,"n":null}').fields == {
        "user": {"id": 7}, "tags": ["a"], "ok": True, "n": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "level"), [(10, "debug"), (20, "debug"), (30, "info"), (40, "warning"), (50, "error"), (60, "error")]
)
def test_levels_of_pino_and_bunyan(number: int, level: str):
    assert parsed(json.dumps({"level": number, "msg": ""})).level == level


@pytest.mark.parametrize("scale", [1, 1000, 1_000_000, 1_000_000_000])
def test_times_in_any_unit(scale: int):
    assert parsed(json.dumps({"time": int(MOMENT * scale)})).time == pytest.approx(MOMENT)


@pytest.mark.parametrize(
    "value", ['"yesterday"', "-1", "0", "null", "true", "1e999", '"9999-99-99"', '{"a":1}', '"0001-01-01T00:00:00Z"']
)
def test_a_time_that_is_none_is_the_arrival_and_stays_a_field(value: str):
    line = parsed(f'{{"time":{value},"msg":"x"}}')
    assert (line.time, line.message) == (NOW, "x")
    assert "time" in line.fields


@pytest.mark.parametrize(
    "text", ["{", "{not json}", '{"a":1} trailing', "{}{}", "[1]", '"text"', "null", '{"a":' * 5000, '{"a":' + "9" * 5000 + "}"]
)
def test_what_is_no_json_object_is_plain_text(text: str):
    assert parsed(text).message == text
    assert parsed(text).fields == {}


def test_escapes_hidden_in_json_are_made_visible():
    line = parsed(json.dumps({"msg": "a\x1b]0;owned\x07b", "k\x1by": "c\u202ed", "deep": [{"e": "f\rg"}]}))
    assert line.message == r"a\x1b]0;owned\x07b"
    assert line.fields == {r"k\x1by": r"c\u202ed", "deep": [{"e": r"f\x0dg"}]}


def test_half_a_character_in_json_can_be_printed():
    assert parsed(r'{"msg":"\ud800"}').message.encode() == rb"\ud800"


def test_depth_is_bounded():
    text = '{"a":' * 200 + "1" + "}" * 200
    value = parsed(text).fields
    for _ in range(DEEPEST):
        value = value["a"]
    assert value == "…"


def test_infinite_numbers_leave_json_valid():
    line = parsed('{"a":1e999,"b":NaN,"c":-Infinity,"msg":"x"}')
    assert json.loads(json.dumps(to_json(line), allow_nan=False))["fields"] == {"a": "1e999", "b": "NaN", "c": "-Infinity"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["msg", "time", "level", "severity", "message", "x", "\x1b"]), JSON, max_size=5))
def test_any_json_is_safe_to_show_and_to_write(fields: dict[str, object]):
    line = parsed(sanitize(json.dumps(fields)))
    text = shown(line)
    assert sanitize(text) == text
    text.encode()
    json.dumps(to_json(line), allow_nan=False, ensure_ascii=False).encode()


@given(st.text())
def test_any_text_is_a_line(text: str):
    line = parsed(sanitize(text))
    assert 0 < line.time <= 4_102_444_800
    assert line.level in ("debug", "info", "warning", "error")


# ---------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2025-11-22T21:46:40Z up", "up"),
        ("2025-11-22T21:46:40.000Z: up", "up"),
        ("2025-11-22 21:46:40,000 +00:00: up", "up"),
        ("[2025-11-22T22:46:40+01:00] up", "up"),
        ("2025-11-22 22:46:40 +0100 up", "up"),
        ("2025/11/22 21:46:40Z [error] up", "[error] up"),
        (f"{datetime.fromtimestamp(MOMENT):%Y/%m/%d %H:%M:%S} [error] up", "[error] up"),
    ],
)
def test_a_time_in_front_is_the_lines_time(text: str, message: str):
    line = parsed(text)
    assert (line.time, line.message) == (MOMENT, message)


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("error", "ERROR out of memory"),
        ("error", "error: out of memory"),
        ("error", "[error] out of memory"),
        ("error", "TypeError: x is not a function"),
        ("error", "Uncaught exception: boom"),
        ("error", "Traceback (most recent call last):"),
        ("error", "FATAL: password authentication failed"),
        ("error", "[crit] 12#12: bind() failed"),
        ("warning", "(node:1) ExperimentalWarning: SQLite is an experimental feature"),
        ("warning", "WARN low disk"),
        ("warning", "warning: low disk"),
        ("info", "INFO no error so far"),
        ("debug", "[debug] tick"),
        ("info", "0 errors, 0 warnings"),
        ("info", "the user said fatal things in information technology"),
        ("info", "GET /error 200"),
    ],
)
def test_severity_words(level: str, text: str):
    assert level_of(text) == level


def test_standard_error_counts_as_error_unless_the_line_says_otherwise():
    err = Origin(target="local", stream="err")
    assert parsed("it broke", err).level == "error"
    assert parsed("(node:1) ExperimentalWarning: x", err).level == "warning"
    assert parsed("INFO listening", err).level == "info"


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (301, "info"), (404, "warning"), (502, "error")])
def test_nginx_access_lines_by_their_status(status: int, level: str):
    line = parsed(f'203.0.113.9 - - [22/Nov/2025:21:46:40 +0000] "GET /ws HTTP/1.1" {status} 0 "-" "curl/8"')
    assert (line.time, line.level) == (MOMENT, level)
    assert line.fields == {"method": "GET", "path": "/ws", "status": status, "remote": "203.0.113.9"}


def test_a_stack_trace_keeps_the_time_of_its_head():
    parse = Parser(ORIGIN)
    head = parse("2025-11-22T21:46:40Z Error: boom", NOW)
    assert parse("    at server.js:1", NOW + 0.5).time == head.time
    assert parse("unrelated, later", NOW + 60).time == NOW + 60


def test_a_program_without_times_has_those_of_arrival():
    parse = Parser(ORIGIN)
    assert [parse("tick", NOW + beat / 2).time for beat in range(5)] == [NOW + beat / 2 for beat in range(5)]


# ---------------------------------------------------------------- as shown


def test_fields_are_shown_after_the_message_but_for_what_everybody_knows():
    line = parsed('{"msg":"joined","room":"lobby","user":"a b","pid":1,"hostname":"h","release":"r","n":{"x":1}}')
    assert shown(line) == 'joined room=lobby user="a b" n={"x":1}'


def test_a_line_of_fields_alone_is_shown():
    assert shown(parsed('{"event":"tick"}')) == "event=tick"
