"""Heroku's raw log lines as LogLines: app, router, platform and metrics lines, and lines nobody foresaw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops.events import LogLine
from chatops.redact import Redactor
from chatops.targets.heroku.client.events import Events
from chatops.targets.heroku.client.lines import Reader, metric_fields, router_fields

STAMP = "2026-11-22T10:11:12.123456+00:00"
WHEN = 1795342272.123456


def read(text: str) -> LogLine:
    line = Reader("heroku", Redactor())(text.encode())
    assert line is not None
    return line


def test_an_app_line_has_its_worker_and_the_platforms_time() -> None:
    line = read(f'{STAMP} app[web.1]: {{"level":50,"time":1,"msg":"boom","room":"lobby"}}')
    assert (line.time, line.worker, line.source, line.level, line.message) == (WHEN, "web.1", "app", "error", "boom")
    assert line.fields == {"room": "lobby"}


def test_a_router_line_is_the_request_with_fields() -> None:
    line = read(
        f'{STAMP} heroku[router]: at=info method=GET path="/a b=c?x=1" host=my-chat.example.com request_id=r1 '
        'fwd="203.0.113.9" dyno=web.2 connect=1ms service=18ms status=404 bytes=13 protocol=http1.1 tls=true tls_version=tls1.3'
    )
    assert (line.source, line.worker, line.level, line.message) == ("router", "web.2", "warning", "GET /a b=c?x=1")
    assert (line.fields["service_ms"], line.fields["status"], line.fields["fwd"]) == (18, 404, "203.0.113.9")


def test_a_websocket_is_no_latency() -> None:
    fields = router_fields("at=info method=GET path=/ws host=h dyno=web.1 connect=0ms service=55123ms status=101 bytes=9")
    assert fields["connection_ms"] == 55123
    assert "service_ms" not in fields


@pytest.mark.parametrize(
    ("code", "level"),
    [("H10", "error"), ("H12", "error"), ("H15", "info"), ("H27", "info"), ("H28", "warning"), ("H82", "info")],
)
def test_router_codes_have_a_level(code: str, level: str) -> None:
    request = f'at=error code={code} desc="Said so" method=GET path="/" host=h dyno= connect= service= status=503 bytes=0'
    line = read(f"{STAMP} heroku[router]: {request}")
    assert (line.level, line.fields["code"], line.fields["desc"]) == (level, code, "Said so")


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("State changed from starting to up", "info"),
        ("State changed from up to crashed", "error"),
        ("Process exited with status 143", "info"),
        ("Process exited with status 1", "error"),
        ("Error R14 (Memory quota exceeded)", "error"),
        ("Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM", "info"),
        ("Error L11 (Tail buffer overflow) -> This tail session dropped 9 messages since 2026-11-22T10:11:12Z.", "warning"),
        ("Error L10 (output buffer overflow): 500 messages dropped", "error"),
    ],
)
def test_platform_lines_have_a_level(text: str, level: str) -> None:
    line = read(f"{STAMP} heroku[web.1]: {text}")
    assert (line.level, line.worker, line.message) == (level, "web.1", text)


def test_metrics_are_bytes_and_loads() -> None:
    text = (
        "source=web.1 dyno=heroku.1.uuid sample#memory_total=103.5MB sample#memory_quota=512.00MB sample#memory_pgpgin=10pages"
    )
    assert metric_fields(text) == {"source": "web.1", "memory_total": 108527616, "memory_quota": 536870912, "memory_pgpgin": 10}
    line = read(f"{STAMP} heroku[web.1]: source=web.1 dyno=d sample#load_avg_1m=0.15 sample#load_avg_5m=0.07")
    assert (line.source, line.worker, line.level, dict(line.fields)) == (
        "metrics",
        "web.1",
        "debug",
        {"load_avg_1m": 0.15, "load_avg_5m": 0.07},
    )


def test_api_lines_have_no_worker() -> None:
    line = read(f"{STAMP} app[api]: Release v12 created by user ana@example.com")
    assert (line.source, line.worker) == ("api", "")


def test_foreign_control_characters_are_made_visible() -> None:
    assert read(f"{STAMP} app[web.1]: \x1b]0;owned\x07 \u202egnp").message == "\\x1b]0;owned\\x07 \\u202egnp"


def test_secrets_are_masked() -> None:
    line = Reader("heroku", Redactor(["hunter2hunter2"]))(f"{STAMP} app[web.1]: password hunter2hunter2".encode())
    assert line is not None
    assert line.message == "password [redacted]"


@given(st.binary(max_size=300))
def test_no_line_breaks_the_reader(raw: bytes) -> None:
    line = Reader("heroku", Redactor())(raw)
    assert line is None or line.target == "heroku"


@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda data: b"\n" not in data and b"\r" not in data)), st.integers(1, 7)
)
def test_events_come_whole_whatever_the_pieces(messages: list[bytes], size: int) -> None:
    raw = b"".join(b":keepalive\n\nid: %d\ndata: %s\n\n" % (number, data) for number, data in enumerate(messages))
    events, found = Events(), []
    for start in range(0, len(raw), size):
        found += events.feed(raw[start : start + size])
    assert found == [(data, b"%d" % number) for number, data in enumerate(messages)]
