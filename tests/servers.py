"""Real servers for the tests, on ephemeral sockets: PostgreSQL, Redis, and workers of the sample chat."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.needs import need, need_node
from tests.packages import install

SAMPLE_APP = Path(__file__).parent.parent / "sample_app"
POSTGRES_BIN = "/usr/lib/postgresql/15/bin"
START_SECONDS = 30.0


@dataclass
class Process:
    """A server process that can be stopped, killed, paused and started again at the same address."""

    argv: list[str | Path]
    log: Path
    answers: Callable[[], bool]
    env: Mapping[str, str] | None = None
    user: str | None = None
    folder: Path | None = None
    popen: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    @property
    def pid(self) -> int:
        return self.popen.pid

    def start(self) -> None:
        """Start, and return when it answers; a start that fails (a killed twin not quite gone) is repeated."""
        deadline = time.monotonic() + START_SECONDS
        self._spawn()
        while not self.answers():
            if self.popen.poll() is not None:
                self._spawn()
            if time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise TimeoutError(f"{self.argv[0]} does not answer:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, sign: signal.Signals = signal.SIGTERM, seconds: float = 30) -> int:
        """Send `sign`, wait for the end, and give the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(sign)
        return self.popen.wait(seconds)

    def kill(self) -> None:
        """End it without a warning."""
        self.stop(signal.SIGKILL)

    def pause(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self.popen.poll() is None:
            self.resume()
            self.stop(signal.SIGKILL)

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.argv, env=self.env, user=self.user, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


@dataclass
class Server:
    """A database or broker: its process, and the address to give to the chat."""

    process: Process
    url: str


@contextlib.contextmanager
def start_postgres(fsync: bool = False, port: int = 5432, options: Sequence[str] = ()) -> Iterator[Server]:
    """A PostgreSQL of its own on a Unix socket; ends with SIGQUIT, PostgreSQL's own way to crash."""
    initdb = need("initdb", "postgresql", POSTGRES_BIN)
    user = _postgres_user()
    with _folder(user) as folder:
        data = folder / "data"
        subprocess.run(
            [initdb, "-D", data, "-A", "trust", "-U", "chat", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
        program, ready = initdb.parent / "postgres", initdb.parent / "pg_isready"
        settings = ["-c", "listen_addresses=", "-c", f"port={port}", "-c", f"fsync={'on' if fsync else 'off'}"]
        argv: list[str | Path] = [program, "-D", data, "-k", folder, *settings, *options]
        process = Process(
            argv, folder / "log", lambda: _succeeds([ready, "-q", "-h", folder, "-p", str(port)]), user=user, folder=folder
        )
        try:
            yield Server(process, f"postgres://chat@/postgres?host={folder}")
        finally:
            process.resume()
            process.stop(signal.SIGQUIT)


@contextlib.contextmanager
def start_redis(options: Sequence[str] = ()) -> Iterator[Server]:
    """A Redis of its own on an ephemeral loopback port; nothing is kept."""
    program = need("redis-server", "redis-server")
    port = free_port()
    with _folder() as folder:
        argv: list[str | Path] = [
            program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder, *options,
        ]  # fmt: skip
        process = Process(argv, folder / "log", lambda: listens(port))
        try:
            yield Server(process, f"redis://127.0.0.1:{port}")
        finally:
            process.close()


@dataclass
class Chat:
    """One worker of the sample chat."""

    process: Process
    socket: Path
    operations: Path

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log lines; every one of them is JSON."""
        return [json.loads(line) for line in self.process.log.read_text().splitlines()]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask the public socket."""
        return ask(self.socket, "GET", path, headers)

    def operate(self, method: str, path: str) -> Any:
        """Ask the operations socket; the answer read as JSON."""
        return json.loads(ask(self.operations, method, path)[1])

    def metrics(self) -> str:
        return ask(self.operations, "GET", "/metrics")[1].decode()

    def metric(self, name: str, /, **labels: str) -> float:
        """The sum of a metric's series that carry `labels`."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = [line for line in self.metrics().splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(label in line for label in wanted))


@contextlib.contextmanager
def start_chat(folder: Path, worker: str = "w1", env: Mapping[str, str] | None = None) -> Iterator[Chat]:
    """A worker on the Unix socket `folder/WORKER.sock`, healthy; workers of one folder share the SQLite file there."""
    chat = launch_chat(folder, worker, env)
    try:
        yield chat
    finally:
        chat.process.close()


def launch_chat(folder: Path, worker: str, env: Mapping[str, str] | None = None, healthy: bool = True) -> Chat:
    """As `start_chat`, for whoever closes `chat.process`; waits until it is healthy, or until it says it is not."""
    wanted = 200 if healthy else 503
    install(SAMPLE_APP)
    listen, operations = folder / f"{worker}.sock", folder / f"{worker}.ops"
    settings = {
        "PATH": os.environ["PATH"], "NODE_ENV": "test", "DATA_DIR": str(folder), "WORKER": worker, "RELEASE": "r1",
        "PORT": str(listen), "OPS_SOCKET": str(operations), **(env or {}),
    }  # fmt: skip
    argv: list[str | Path] = [need_node(), SAMPLE_APP / "server.js"]
    process = Process(argv, folder / f"{worker}.log", lambda: _health(operations) == wanted, settings, folder=SAMPLE_APP)
    return Chat(process, listen, operations)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def ask(
    path: Path, method: str, target: str, headers: Mapping[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """One HTTP request over a Unix socket."""
    with contextlib.closing(UnixConnection(path)) as connection:
        connection.request(method, target, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer, answer.read()


def free_port() -> int:
    """A loopback TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _folder(user: str | None = None) -> Iterator[Path]:
    """A short path, because a Unix socket's address has 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ct"))
    try:
        if user:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


def _succeeds(argv: list[str | Path]) -> bool:
    return subprocess.run(argv, check=False, timeout=10).returncode == 0


def listens(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _health(operations: Path) -> int | None:
    try:
        return ask(operations, "GET", "/health")[0].status
    except OSError:
        return None
