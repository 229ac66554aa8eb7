"""The door to the terminal: one that vanishes ends the monitor, where Textual's own would hang on it or spin."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, cast

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App


class TerminalDriver(LinuxDriver):
    """Textual's driver (Linux and macOS) on a file that outlives the terminal.

    Its writer is a thread behind a bounded queue: killed by the first EIO, it would leave everybody who still writes
    (the shutdown does) waiting for ever.
    """

    def __init__(self, app: App[object], **options: Any) -> None:
        super().__init__(app, **options)
        loop = asyncio.get_running_loop()
        # Standard output, as everybody expects; Textual itself would paint on standard error.
        file = sys.__stdout__ or sys.stdout
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="replace")  # in a locale without these characters, `?` stands for them
        self._file = cast(Any, _Lasting(file, lambda: loop.call_soon_threadsafe(app.exit)))


class _Lasting:
    """A text file that goes on silently when nobody reads it any more; the first time that is told to `lost`."""

    def __init__(self, file: IO[str], lost: Callable[[], object]) -> None:
        self._file = file
        self._lost: Callable[[], object] | None = lost

    def write(self, text: str) -> int:
        """Writes, as far as somebody reads."""
        return self._try(lambda: self._file.write(text)) or len(text)

    def flush(self) -> None:
        """Flushes, as far as somebody reads."""
        self._try(self._file.flush)

    def fileno(self) -> int:
        """The descriptor."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._file.isatty()

    def _try(self, write: Callable[[], int | None]) -> int | None:
        try:
            return write() if self._lost else None
        except OSError:
            lost, self._lost = self._lost, None
            with contextlib.suppress(RuntimeError):  # the loop is gone already
                if lost:
                    lost()
            return None
