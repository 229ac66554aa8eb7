"""Blocking calls of the SSH library on threads of their own: the pool behind asyncio.to_thread is smaller than a fleet."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import TypeVar

from chatops.streams import from_thread

T = TypeVar("T")


async def blocking(call: Callable[[], T], abort: Callable[[], object]) -> T:
    """What `call` gives. `abort` is called when nobody waits for it any more: it makes `call` return, and does not block."""
    answered: list[T] = []

    def once() -> Iterator[T]:
        yield call()

    async with aclosing(from_thread(once(), lambda: answered or abort())) as results:
        async for result in results:
            answered.append(result)
            return result
    raise RuntimeError("a call ended without an answer")


async def output(*command: str, seconds: float) -> tuple[int, str, str]:
    """Exit code, standard output and error of a program of this machine; 124 when it did not end in time, 127 without it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        return 127, "", str(error)
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return 124, "", f"`{command[0]}` did not answer within {seconds:.0f} s"
    return process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
