"""`chatops monitor`, as it is typed, where there is no terminal: one snapshot, lines, NDJSON."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import typer
from typer.testing import CliRunner, Result

from chatops.cli.invocation import Invocation, ending
from chatops.cli.monitor import Watched, monitor
from chatops.errors import TargetError
from chatops.model import App, State, Worker
from chatops.watch import Cadence
from tests.fakes import FakeTarget, line

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/monitor.json").read_text())
UP = Worker(
    name="chat-1", host="", state="up", pid=7, cpu_percent=3.0, memory_bytes=64 * 1024**2, restarts=0, uptime_seconds=9.0
)


@contextmanager
def answering(status: int, body: object) -> Iterator[str]:
    """The address of an app that always answers this."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def nowhere() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@dataclass(frozen=True)
class Call(Invocation):
    """A call of the tool whose file has these targets."""

    fakes: dict[str, FakeTarget] = field(default_factory=dict)

    def load(self) -> Any:
        first = next(iter(self.fakes))
        app = App(name="chat", path=Path("/"))
        return SimpleNamespace(app=app, pick=lambda name: SimpleNamespace(name=name or first))

    @asynccontextmanager
    async def target(self, config: Any, name: str | None) -> AsyncIterator[FakeTarget]:  # type: ignore[override]
        fake = self.fakes[str(name)]
        try:
            yield fake
        finally:
            await fake.close()


def typed(text: str, *fakes: FakeTarget) -> Result:
    """What `chatops TEXT` gives where the file has these targets."""
    words = shlex.split(text)
    app = typer.Typer()

    @app.callback()
    def options(context: typer.Context) -> None:
        context.obj = Call(json="--json" in words, fakes={fake.name: fake for fake in fakes})
        context.with_resource(ending(context.obj))

    app.command()(monitor)
    return CliRunner().invoke(app, [word for word in words if word != "--json"])


def made(url: str | None, *crew: Worker, name: str = "fake") -> FakeTarget:
    """A target at `url` with these workers; its log stays open."""
    state = State(target=name, kind="fake", url=url)
    return FakeTarget(name=name, state=state, crew=list(crew), history=[line(1.0, "hello", target=name)], live=[60.0])


@pytest.mark.parametrize(
    ("status", "body", "worker", "state", "code"),
    [
        (200, {"status": "pass", "release": "r1"}, "up", "healthy", 0),
        (200, {"status": "warn"}, "up", "degraded", 1),
        (200, {"status": "pass"}, "crashed", "degraded", 1),
        (503, {"status": "fail"}, "up", "down", 2),
    ],
)
def test_one_snapshot_says_how_it_is_by_its_exit_code(
    status: int, body: dict[str, str], worker: Any, state: str, code: int
) -> None:
    with answering(status, body) as url:
        result = typed("monitor --once --json", made(url, UP, Worker(name="chat-2", host="", state=worker)))
    said = json.loads(result.stdout)
    jsonschema.validate(said, SCHEMA)
    assert (result.exit_code, said["state"], said["targets"][0]["health"]["status"]) == (code, state, status)


def test_one_snapshot_of_what_does_not_answer_is_down() -> None:
    result = typed("monitor --once --json", made(nowhere(), UP))
    said = json.loads(result.stdout)
    assert (result.exit_code, said["state"]) == (2, "down")
    assert "onnect" in said["targets"][0]["reason"]


def test_one_snapshot_where_nothing_is_deployed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatops.cli.monitor.PATIENCE", 0.5)
    result = typed("monitor --once", made(None))
    assert result.exit_code == 3
    assert "[??] fake unknown" in result.stdout


@pytest.mark.parametrize(("worker", "state", "code"), [("up", "healthy", 0), ("crashed", "down", 2)])
def test_one_snapshot_of_what_nobody_here_can_ask_is_what_the_workers_say(worker: Any, state: str, code: int) -> None:
    target = made("http://10.0.0.5", Worker(name="chat-1", host="", state=worker))
    target.state = replace(target.state, unseen="`web1` is reached through another host")
    result = typed("monitor --once --json", target)
    said = json.loads(result.stdout)
    jsonschema.validate(said, SCHEMA)
    assert (result.exit_code, said["state"]) == (code, state)


@pytest.mark.parametrize(("blind", "looks"), [(60.0, {1}), (0.2, {2, 3, 4, 5, 6, 7, 8, 9, 10})])
def test_what_nobody_here_can_ask_is_looked_at_again_now_and_then(
    monkeypatch: pytest.MonkeyPatch, blind: float, looks: set[int]
) -> None:
    monkeypatch.setattr("chatops.cli.monitor.BLIND", blind)
    target = made("http://10.0.0.5", UP)
    target.state = replace(target.state, unseen="`web1` is reached through another host")

    async def watch() -> None:
        async with AsyncExitStack() as stack, asyncio.timeout(2):
            async for _ in Watched(target, App("chat", Path("/")), stack).feed(Cadence(health=0.05)):
                pass

    with pytest.raises(TimeoutError):
        asyncio.run(watch())
    assert target.asked.count(("inspect",)) in looks


def test_the_worst_of_several_targets_decides() -> None:
    with answering(200, {"release": "r1"}) as url:
        result = typed("monitor good bad --once", made(url, UP, name="good"), made(nowhere(), UP, name="bad"))
    assert result.exit_code == 2
    assert "[ok] good healthy" in result.stdout and "[XX] bad down" in result.stdout
    assert "chat-1  up  cpu 3 %  memory 64 MiB  up 9 s" in result.stdout


def test_lines_where_there_is_no_terminal() -> None:
    with answering(200, {"release": "r1"}) as url:
        target = made(url, UP)
        target.crew = [UP]
        target.live = [0.5, RuntimeError("the end of this test")]
        result = typed("monitor", target)
    assert "the end of this test" in result.stderr
    assert "hello" in result.stdout
    assert "[ok] fake healthy" in result.stdout and "1 of 1 workers up" in result.stdout
    assert "\x1b" not in result.stdout


def test_ndjson_where_json_is_asked_for() -> None:
    with answering(200, {"release": "r1"}) as url:
        target = made(url, UP)
        target.live = [0.5, RuntimeError("the end of this test")]
        result = typed("monitor --json", target)
    events = [json.loads(row) for row in result.stdout.splitlines()]
    assert {"log", "health", "workers"} <= {event["type"] for event in events}
    assert all(event["v"] == 1 and event["time"].endswith("Z") for event in events)


def test_a_target_out_of_reach_is_tried_on() -> None:
    class Away(FakeTarget):
        tries = 0

        async def inspect(self, *, closely: bool = False) -> State:
            self.tries += 1
            if self.tries == 1:
                raise TargetError("no route")
            return self.state

    with answering(200, {"release": "r1"}) as url:
        target = Away(state=State(target="fake", kind="fake", url=url), crew=[UP], live=[60.0])
        assert typed("monitor --once", target).exit_code == 0


def test_the_screen_is_not_imported_for_help() -> None:
    code = "import sys; from chatops.cli import app; print([m for m in sys.modules if m in ('textual', 'httpx', 'rich')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
