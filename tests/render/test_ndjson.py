"""Events as JSON lines: valid, closed to surprises, and as the schema says."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from chatops.events import Notice
from chatops.render import ndjson
from tests.fakes import line

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/logs.json").read_text())


def test_a_log_line_is_contracts_object():
    written = line(1_763_848_000.1234, 'say "é"', host="h", fields={"n": 0.123456})
    assert json.loads(ndjson.line(written)) == {
        "v": 1, "type": "log", "time": "2025-11-22T21:46:40.123Z", "target": "fake", "host": "h", "worker": "chat-1",
        "source": "app", "stream": "out", "level": "info", "message": 'say "é"', "fields": {"n": 0.123456},
    }  # fmt: skip


def test_one_event_is_one_line():
    assert "\n" not in ndjson.line(line(1, "a\\nb", fields={"x": "a\nb"}))


def test_what_logs_writes_follows_the_schema():
    for event in (line(1, "x", fields={"a": [1]}), Notice(time=1, message="cut", level="warning", target="fake")):
        jsonschema.validate(json.loads(ndjson.line(event)), SCHEMA)
