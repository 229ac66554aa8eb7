"""A one-off command on a host: on the operator's terminal where there is one, else with plain streams."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

from chatops.shell import words
from chatops.streams import from_thread
from chatops.targets.vps.client.blocking import blocking
from chatops.targets.vps.client.channel import CHUNK, as_user, new_mark, quietly
from chatops.targets.vps.client.link import Link


async def run(link: Link, line: str, user: str = "") -> int:
    """Runs a line of shell; its streams are ours. Gives its exit code, 255 when a signal ended it."""
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    mark = new_mark()
    say = f"echo {mark}" if interactive else f"echo {mark}; echo {mark} >&2"
    terminal = (os.environ.get("TERM", "dumb"), *shutil.get_terminal_size()) if interactive else None
    raw = await link.begin(as_user(user, words("/bin/sh", "-c", f"{say}\n{line}")), terminal=terminal)
    login = dict.fromkeys((1,) if interactive else (1, 2), b"")
    pieces_of = _after_login(_output(raw), login, mark.encode() + (b"\r\n" if interactive else b"\n"))
    loop = asyncio.get_running_loop()
    feeding = asyncio.create_task(_feed(raw))
    try:
        with _terminal(raw, interactive):
            async with aclosing(from_thread(pieces_of, lambda: loop.run_in_executor(None, quietly, raw.close))) as pieces:
                async for descriptor, piece in pieces:
                    await asyncio.to_thread(_write, descriptor, piece)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
    if lost := link.lost():
        raise lost
    return raw.exit_status if raw.exit_status >= 0 else 255


def _output(raw: Any) -> Iterator[tuple[int, bytes]]:
    """(1 or 2, bytes) of both streams until both have ended."""
    raw.settimeout(0.05)
    while not (raw.eof_received or raw.closed) or raw.recv_ready() or raw.recv_stderr_ready():
        if raw.recv_stderr_ready():
            yield 2, raw.recv_stderr(CHUNK)
        with suppress(TimeoutError):
            if piece := raw.recv(CHUNK):
                yield 1, piece
    raw.status_event.wait()


def _after_login(pieces: Iterator[tuple[int, bytes]], login: dict[int, bytes], mark: bytes) -> Iterator[tuple[int, bytes]]:
    """Without what the login shell printed before the command began; all of it where that never did. `login`: by stream."""
    for descriptor, piece in pieces:
        if descriptor not in login:
            yield descriptor, piece
            continue
        login[descriptor] += piece
        _, begun, rest = login[descriptor].partition(mark)
        if begun:
            del login[descriptor]
            yield descriptor, rest
    yield from login.items()


def _write(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


async def _feed(raw: Any) -> None:
    """Standard input to the command, until either ends."""
    async with aclosing(_typed()) as pieces:
        async for piece in pieces:
            await blocking(lambda piece=piece: quietly(lambda: raw.sendall(piece)), raw.close)  # type: ignore[misc]
    await blocking(lambda: quietly(raw.shutdown_write), raw.close)


async def _typed() -> AsyncGenerator[bytes]:
    """What comes in on standard input; a terminal or a pipe can be waited for, a file is always ready."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(0, ready.set)
    except PermissionError:  # a file
        ready.set()
    try:
        while True:
            await ready.wait()
            piece = os.read(0, CHUNK)
            if not piece:
                return
            yield piece
            if loop.remove_reader(0):
                ready.clear()
                loop.add_reader(0, ready.set)
    finally:
        with suppress(OSError, ValueError):
            loop.remove_reader(0)


@contextmanager
def _terminal(raw: Any, interactive: bool) -> Iterator[None]:
    """Every key goes to the host, ctrl+c included; the size of the window follows."""
    if not interactive:
        yield
        return
    loop, before = asyncio.get_running_loop(), termios.tcgetattr(0)

    def resized() -> None:
        loop.run_in_executor(None, lambda: raw.resize_pty(*shutil.get_terminal_size()))

    tty.setraw(0)
    loop.add_signal_handler(signal.SIGWINCH, resized)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        termios.tcsetattr(0, termios.TCSADRAIN, before)
