"""However the screen ends, the terminal is as it was: main screen, cursor, no mouse, canonical mode."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESTORED = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?1003l", b"\x1b[?1006l", b"\x1b[?2004l")
PATIENCE = 30.0


class Terminal:
    """A pseudo terminal of 120x40 with the screen in it as its session's leader."""

    def __init__(self, *, deaf: bool = False, encoding: str = "utf-8") -> None:
        self.master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._before = termios.tcgetattr(self._slave)
        self.seen = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.tui.screen"],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONIOENCODING": encoding},
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=lambda: _lead(deaf),
        )

    def until(self, words: bytes) -> None:
        """Reads what is painted until it holds `words`."""
        self._read(lambda: words in self.seen)
        assert words in self.seen, self.seen[-2000:]

    def end(self) -> int:
        """Reads to the end; gives the exit code."""
        self._read(lambda: self.process.poll() is not None)
        code = self.process.wait(timeout=PATIENCE)
        self._read(lambda: not select.select([self.master], [], [], 0)[0])
        return code

    def _read(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not done() and time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                self.seen += os.read(self.master, 65536)

    def type(self, keys: bytes) -> None:
        """Presses keys."""
        os.write(self.master, keys)

    @property
    def as_before(self) -> bool:
        """Whether the terminal's own settings are those it had."""
        return termios.tcgetattr(self._slave) == self._before

    def hang_up(self) -> None:
        """The terminal vanishes."""
        os.close(self._slave)
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        """Ends what was started."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.master >= 0:
            self.hang_up()


def _lead(deaf: bool) -> None:
    """Takes the terminal as its own; `deaf` to the signal that says it is gone, as under nohup."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if deaf:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.fixture
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A terminal whose screen has shown the app's lines."""
    made = Terminal(deaf=getattr(request, "param", False))
    try:
        made.until(b"connection reset")
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda terminal: terminal.type(b"q"), 0),
        (lambda terminal: terminal.type(b"\x03"), 0),
        (lambda terminal: terminal.process.send_signal(signal.SIGTERM), 130),
        (lambda terminal: terminal.process.send_signal(signal.SIGHUP), 130),
        (lambda terminal: terminal.process.send_signal(signal.SIGINT), 130),
    ],
    ids=["q", "ctrl+c", "SIGTERM", "SIGHUP", "SIGINT"],
)
def test_the_terminal_is_given_back(terminal: Terminal, end: Callable[[Terminal], None], code: int) -> None:
    assert b"\x1b[?1049h" in terminal.seen
    end(terminal)
    assert terminal.end() == code
    last = terminal.seen.rpartition(b"\x1b[?1049h")[2]
    assert [sequence for sequence in RESTORED if sequence not in last] == []
    assert b"Traceback" not in terminal.seen
    assert terminal.as_before


def test_a_change_that_is_running_is_told_to_stop_and_waited_for(terminal: Terminal) -> None:
    terminal.type(b"r")
    terminal.until(b"chatops restart local")
    terminal.type(b"y")
    terminal.type(b"q")
    terminal.until(b"being carried")
    terminal.type(b"q")
    assert terminal.end() == 0
    assert b"cleaned up" in terminal.seen


@pytest.mark.parametrize("terminal", [False, True], ids=["told", "deaf"], indirect=True)
def test_nothing_is_left_running_when_the_terminal_vanishes(terminal: Terminal) -> None:
    terminal.hang_up()
    terminal.process.wait(timeout=PATIENCE)


def test_a_locale_without_the_shapes_still_has_a_screen() -> None:
    terminal = Terminal(encoding="latin-1")
    try:
        terminal.until(b"connection reset")
        terminal.type(b"q")
        assert terminal.end() == 0
    finally:
        terminal.close()
