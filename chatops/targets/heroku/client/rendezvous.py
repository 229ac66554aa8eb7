"""An attached one-off dyno: the operator's terminal, joined to it over TLS (Dev Center, "One-off dynos")."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator, Sequence
from urllib.parse import urlsplit

from chatops.errors import ChatopsError, TargetError
from chatops.shell import words
from chatops.targets.heroku.client.api import Api

EXIT = "\uffff heroku-command-exit-status:"
"""What the command's status is printed behind, as the Heroku CLI has it done."""
_ENDING = re.compile(re.escape(EXIT).encode() + rb" (\d{1,3})\r?\n?")
_LONGEST_ENDING = 64
CONNECT = 60.0
"""Seconds until the dyno has started and answers."""
END_OF_INPUT = b"\x04"


async def run(api: Api, path: str, arguments: Sequence[str]) -> int:
    """Starts a one-off dyno, joins it and gives its exit code; it is stopped when we are."""
    terminal = environment()
    body = {"attach": True, "command": command(arguments), "type": "run", "env": terminal, "force_no_tty": not terminal}
    dyno = await api.create(f"{path}/dynos", body)
    try:
        return await attach(dyno["attach_url"], api.tls)
    except BaseException:
        with contextlib.suppress(ChatopsError):
            await asyncio.shield(api.ask(f"{path}/dynos/{dyno['name']}/actions/stop"))
        raise


def command(arguments: Sequence[str]) -> str:
    """The arguments as a shell command that tells its exit status at the end."""
    return f'{words(*arguments)}; echo "{EXIT} $?"'


def environment() -> dict[str, str]:
    """What the terminal is like."""
    if not sys.stdin.isatty():
        return {}
    size = os.get_terminal_size()
    return {"TERM": os.environ.get("TERM", "xterm"), "COLUMNS": str(size.columns), "LINES": str(size.lines)}


async def attach(url: str, tls: ssl.SSLContext) -> int:
    """Joins standard input and output to the dyno; gives its exit code. Raises TargetError when the link fails."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(CONNECT):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=tls)
            writer.write(parts.path.lstrip("/").encode() + b"\r\n")
            greeting = await reader.readline()
    except (OSError, ssl.SSLError, TimeoutError) as error:
        raise TargetError(f"the one-off dyno can't be reached: {error or type(error).__name__}", "run it again") from None
    if not greeting.startswith(b"rendezvous"):
        raise TargetError("the one-off dyno did not start in time", "`chatops logs` may say why")
    with _raw_terminal():
        return await _join(reader, writer)


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    sending = asyncio.create_task(_send(writer))
    try:
        return await _receive(reader)
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await sending
        writer.close()


async def _receive(reader: asyncio.StreamReader) -> int:
    """Prints what comes, byte for byte, but for the line that tells the status."""
    held = b""
    while piece := await _read(reader):
        held += piece
        if found := _ENDING.search(held):
            _print(held[: found.start()] + held[found.end() :])
            return int(found[1])
        cut = _safe(held)
        _print(held[:cut])
        held = held[cut:]
    _print(held)
    raise TargetError("the link to the one-off dyno was lost", "`chatops status` shows whether it still runs")


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1 << 16)
    except (OSError, ssl.SSLError):
        return b""


def _safe(held: bytes) -> int:
    """How much can be printed: not what may be the beginning of the ending."""
    place = held.rfind(EXIT[0].encode()[:1], max(0, len(held) - _LONGEST_ENDING))
    return place if place >= 0 else len(held)


def _print(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


async def _send(writer: asyncio.StreamWriter) -> None:
    """Standard input to the dyno; its end as ctrl+d, which is how a dyno knows one."""
    async for piece in _input():
        writer.write(piece)
        await writer.drain()
    writer.write(END_OF_INPUT)
    await writer.drain()


async def _input() -> AsyncIterator[bytes]:
    """What is typed or piped, until its end."""
    number = sys.stdin.fileno()
    while True:
        await _readable(number)
        if not (piece := os.read(number, 1 << 16)):
            return
        yield piece


async def _readable(number: int) -> None:
    """Watched for one read only: a look too many would block on the terminal, and everything with it."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(number, ready.set)
    except PermissionError:  # a plain file can't be watched, and is always ready
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(number)


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Keys go through one by one, ctrl+c included; the terminal is as before afterwards."""
    if not sys.stdin.isatty():
        yield
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setraw(number)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
