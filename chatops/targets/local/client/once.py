"""A one-off command on the operator's terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import PurePath


async def once(arguments: Sequence[str | PurePath]) -> int:
    """The exit code of a command that has our streams. It is told when we are ended, and we wait for it."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)  # the terminal tells the command itself
    process = await asyncio.create_subprocess_exec(*arguments)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
