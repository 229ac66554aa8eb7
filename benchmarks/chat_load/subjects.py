"""The servers that are measured: the sample chat, and its peers doing the same fan-out."""

import contextlib
import hashlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.needs import need_node
from tests.packages import install
from tests.servers import Process, ask, start_chat

MEMORY = Path("/dev/shm")  # noqa: S108
ROOT = Path(__file__).parents[2]
PEERS = ROOT / "benchmarks" / "peers" / "chat"
CACHE = ROOT / ".cache"
SAMPLE, WS_LOOP, SOCKET_IO = "sample chat", "ws loop", "Socket.IO"
SUBJECTS = [SAMPLE, WS_LOOP, SOCKET_IO]
COMMON = {"NODE_ENV": "production", "NODE_OPTIONS": f"--import={Path(__file__).with_name('collect.mjs')}"}
PROGRAMS = {WS_LOOP: "ws_loop.js", SOCKET_IO: "socket_io.js"}


@dataclass
class Subject:
    """A running server: where its clients go, and where its figures are."""

    name: str
    socket: Path
    figures: Path
    process: Process

    @property
    def dialect(self) -> str:
        return "socketio" if self.name == SOCKET_IO else "chat"

    def metric(self, name: str) -> float:
        """The value of a metric without labels of its own."""
        text = ask(self.figures, "GET", "/metrics")[1].decode()
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def cpu_seconds(self) -> float:
        return self.metric("process_cpu_seconds_total")

    def memory(self) -> float:
        """Resident memory in bytes, with whatever the collector has not looked at yet."""
        return self.metric("process_resident_memory_bytes")

    def collect(self) -> None:
        """Collect garbage: twice, because the first time only lets go of what has finalizers; then let the system see it."""
        for _ in range(2):
            self.process.popen.send_signal(signal.SIGUSR2)
            time.sleep(1)


@contextlib.contextmanager
def short_folder(parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder whose name is short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="cb", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(name: str, env: Mapping[str, str] | None = None, parent: Path | None = None) -> Iterator[Subject]:
    """A fresh server of the given name; the sample chat keeps its messages in SQLite under `parent`, the peers keep none."""
    with short_folder(parent) as folder:
        if name == SAMPLE:
            with start_chat(folder, env={"LOG_LEVEL": "warn", **COMMON, **(env or {})}) as chat:
                yield Subject(SAMPLE, chat.socket, chat.operations, chat.process)
        else:
            with _peer(name, folder, env or {}) as subject:
                yield subject


@contextlib.contextmanager
def _peer(name: str, folder: Path, env: Mapping[str, str]) -> Iterator[Subject]:
    socket = folder / "peer.sock"
    argv: list[str | Path] = [need_node(), _installed() / PROGRAMS[name]]
    settings = {"PATH": os.environ["PATH"], "PORT": str(socket), **COMMON, **env}
    process = Process(argv, folder / "log", lambda: _answers(socket), settings)
    try:
        yield Subject(name, socket, socket, process)
    finally:
        process.close()


def _installed() -> Path:
    """The peers with their pinned packages, in a folder that changes with them."""
    files = sorted(PEERS.iterdir())
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files if file.is_file())).hexdigest()[:12]
    folder = CACHE / f"chat-peers-{digest}"
    if not folder.exists():
        shutil.copytree(PEERS, folder, ignore=shutil.ignore_patterns("node_modules"))
    return install(folder)


def _answers(socket: Path) -> bool:
    try:
        return ask(socket, "GET", "/health")[0].status == 200
    except OSError:
        return False
