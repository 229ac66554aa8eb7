"""One-off dynos: detached, or attached to a client that comes to the rendezvous over TLS."""

import asyncio
import contextlib
import fcntl
import os
import pty
import secrets
import ssl
import struct
import termios
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.dyno import READ_BYTES, Dyno
from tests.heroku.emulator.model import App

GREETING = b"rendezvous\r\n"
END_OF_INPUT = b"\x04"
COME_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How a one-off dyno runs: attached or not, with a terminal or pipes, for how many seconds at most."""

    attach: bool
    tty: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A dyno that waits for its client."""

    app: App
    dyno: Dyno
    manner: Manner


class Rendezvous:
    """The TLS server where clients meet their dynos; its certificate is signed by `ca_file`."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.waiting: dict[str, Waiting] = {}
        self.ca_file = cloud.folder / "rendezvous-ca.pem"
        self.server: asyncio.Server | None = None

    async def open(self) -> None:
        self.server = await asyncio.start_server(self._meet, "127.0.0.1", 0, ssl=_tls(self.ca_file))
        self.cloud.rendezvous = self
        self.port = self.server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self.server:
            self.server.close()

    def invite(self, waiting: Waiting) -> str:
        """The address for one client, once."""
        secret = secrets.token_hex(16)
        self.waiting[secret] = waiting
        return f"rendezvous://127.0.0.1:{self.port}/{secret}"

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(GREETING)
            secret = (await asyncio.wait_for(reader.readline(), COME_WITHIN)).decode().strip()
            waiting = self.waiting.pop(secret, None)
            if waiting:
                await _attached(self.cloud, waiting, reader, writer)
        except (TimeoutError, ConnectionError):
            return
        finally:
            writer.close()


def start(cloud: Cloud, app: App, dyno: Dyno, manner: Manner) -> None:
    """Starts a one-off dyno, or for an attached one lets its client start it."""
    app.dynos[dyno.name] = dyno
    if manner.attach:
        dyno.attach_url = cloud.rendezvous.invite(Waiting(app, dyno, manner))
    else:
        cloud.spawn(_detached(app, dyno, manner))


async def _detached(app: App, dyno: Dyno, manner: Manner) -> None:
    await dyno.start()
    await _end(app, dyno, manner)


async def _attached(cloud: Cloud, waiting: Waiting, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    dyno, manner = waiting.dyno, waiting.manner
    run = _in_terminal if manner.tty else _in_pipes
    async with asyncio.TaskGroup() as group:
        moving = group.create_task(run(dyno, reader, writer))
        await _started(dyno, moving)
        await _end(waiting.app, dyno, manner)


async def _started(dyno: Dyno, moving: asyncio.Task[None]) -> None:
    while dyno.process is None and not moving.done():
        await dyno.changed.wait()


async def _end(app: App, dyno: Dyno, manner: Manner) -> None:
    """Waits for the dyno's end, which comes when its time to live is over at the latest."""
    try:
        await asyncio.wait_for(dyno.wait(), manner.seconds)
    except TimeoutError:
        await dyno.stop()
    finally:
        app.dynos.pop(dyno.name, None)
        dyno.become("complete")


async def _in_pipes(dyno: Dyno, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pipe = asyncio.subprocess.PIPE
    await dyno.start(stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    assert dyno.process and dyno.process.stdin and dyno.process.stdout
    feeding = asyncio.create_task(_feed(reader, dyno.process.stdin))
    try:
        await _drain(dyno.process.stdout, writer)
    finally:
        feeding.cancel()


async def _in_terminal(dyno: Dyno, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", int(dyno.env.get("LINES", 24)), int(dyno.env.get("COLUMNS", 80)), 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    dyno.env.setdefault("TERM", "xterm")
    await dyno.start(stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    screen, keys = await _terminal_streams(ours)
    feeding = asyncio.create_task(_feed(reader, keys, raw=True))
    try:
        with contextlib.suppress(OSError):
            await _drain(screen, writer)
    finally:
        feeding.cancel()
        keys.close()


async def _terminal_streams(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(number), "rb", 0))
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(number, "wb", 0))
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def _feed(reader: asyncio.StreamReader, target: asyncio.StreamWriter, raw: bool = False) -> None:
    """The client's bytes to the dyno; without a terminal, an end-of-transmission byte ends the input."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            ended = not raw and data.endswith(END_OF_INPUT)
            target.write(data.removesuffix(END_OF_INPUT) if ended else data)
            await target.drain()
            if ended:
                break
    if not raw:
        target.close()


async def _drain(source: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await source.read(READ_BYTES):
        writer.write(data)
        await writer.drain()


def _tls(ca_file: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(settings)
    return settings
