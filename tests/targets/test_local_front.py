"""The front of the local target as a real process, before workers that only say who they are."""

from __future__ import annotations

import http.server
import json
import socketserver
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chatops.pm2 import SCRIPTS
from tests.needs import need_node
from tests.servers import free_port


class Worker(socketserver.ThreadingUnixStreamServer):
    """Answers every request with its number."""

    daemon_threads = True

    def __init__(self, folder: Path, number: int) -> None:
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(str(number).encode())

            def address_string(self) -> str:
                return "somebody"

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        super().__init__(str(folder / f"{number}.sock"), Answer)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


class Front:
    """A run folder, one set of three workers that is live, and the front before it."""

    def __init__(self, run: Path) -> None:
        self.port = free_port()
        self.set = run / "aaa"
        self.record = run / "front.json"
        self.set.mkdir()
        (run / "live").symlink_to("aaa")

    def proved(self, count: int) -> None:
        """By rename, as programs write it."""
        (self.set / "set.json.new").write_text(json.dumps({"workers": 3, "proved": count}))
        (self.set / "set.json.new").rename(self.set / "set.json")

    def answers(self, count: int = 12) -> set[str]:
        """Who answers new connections, of which some are open at the same time."""
        with ExitStack() as stack:
            url = f"http://127.0.0.1:{self.port}/"
            return {stack.enter_context(urllib.request.urlopen(url, timeout=5)).read(1).decode() for _ in range(count)}


@pytest.fixture
def front() -> Iterator[Front]:
    """A front whose workers 0, 1 and 2 all listen."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        made = Front(Path(name))
        for number in range(3):
            worker = Worker(made.set, number)
            stack.callback(worker.shutdown)
            stack.callback(worker.server_close)
        stack.enter_context(_running(made, Path(name)))
        yield made


@contextmanager
def _running(made: Front, run: Path) -> Iterator[None]:
    settings = json.dumps({"port": made.port, "run": str(run), "record": str(made.record)})
    command = [need_node(), SCRIPTS / "front.cjs"]
    with subprocess.Popen(command, env={"CHATOPS_FRONT": settings}) as process:
        try:
            _wait_for(made.record)
            yield
        finally:
            process.kill()


def _wait_for(path: Path) -> None:
    ticks = threading.Event()
    assert any(path.exists() or ticks.wait(0.02) for _ in range(500))


def test_only_workers_that_have_proved_themselves_get_clients(front: Front) -> None:
    front.proved(1)
    assert front.answers() == {"0"}
    front.proved(3)
    assert front.answers() == {"0", "1", "2"}
    front.proved(2)
    assert front.answers() == {"0", "1"}


def test_a_set_that_does_not_say_who_has_proved_himself_is_believed(front: Front) -> None:
    assert front.answers() == {"0", "1", "2"}
    (front.set / "set.json").write_text('{"workers": 3}')
    assert front.answers() == {"0", "1", "2"}
