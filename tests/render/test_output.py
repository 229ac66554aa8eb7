"""Standard output: prompt on a terminal, in few writes to a program, quiet when the reader goes."""

from __future__ import annotations

import asyncio
import io
import os
import socket
from collections.abc import Callable

import pytest

from chatops.render.output import FULL, PATIENCE, Output


class Recorder(io.StringIO):
    """A stream that remembers its writes."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


def test_a_terminal_gets_a_line_as_soon_as_nothing_else_is_to_do():
    stream = Recorder(terminal=True)

    async def write() -> None:
        async with Output(stream) as output:
            output.write("a")
            output.write("b")
            await asyncio.sleep(0.001)
            assert stream.writes == ["a\nb\n"]

    asyncio.run(write())


def test_a_program_gets_lines_together_but_soon():
    stream = Recorder(terminal=False)

    async def write() -> None:
        async with Output(stream) as output:
            output.write("a")
            await asyncio.sleep(0.001)
            output.write("b")
            assert stream.writes == []
            await asyncio.sleep(2 * PATIENCE)
            assert stream.writes == ["a\nb\n"]

    asyncio.run(write())


def test_a_flood_is_written_without_waiting():
    stream = Recorder(terminal=False)

    async def write() -> None:
        async with Output(stream) as output:
            for _ in range(3 * FULL // 1000):
                output.write("x" * 1000)
            assert len(stream.writes) == 2

    asyncio.run(write())


def test_the_end_writes_what_waits():
    stream = Recorder(terminal=False)

    async def write() -> None:
        async with Output(stream) as output:
            output.write("last")

    asyncio.run(write())
    assert stream.writes == ["last\n"]


def test_a_reader_that_went_away_ends_the_block_even_if_no_more_lines_come():
    reader, writer = os.pipe()
    os.close(reader)

    async def write(stream: io.TextIOBase) -> None:
        async with Output(stream) as output:  # type: ignore[arg-type]
            output.write("nobody reads this")
            await asyncio.sleep(60)

    with open(writer, "w") as stream, pytest.raises(BrokenPipeError):  # noqa: PTH123
        asyncio.run(write(stream))


@pytest.mark.parametrize("pair", [os.pipe, lambda: tuple(end.detach() for end in socket.socketpair())], ids=["pipe", "socket"])
def test_a_reader_that_goes_away_between_two_lines_is_noticed_at_once(pair: Callable[[], tuple[int, int]]):
    reader, writer = pair()

    async def watch(stream: io.TextIOBase) -> None:
        async with Output(stream):  # type: ignore[arg-type]
            asyncio.get_running_loop().call_later(0.05, os.close, reader)
            await asyncio.sleep(60)

    with open(writer, "w") as stream, pytest.raises(BrokenPipeError):  # noqa: PTH123
        asyncio.run(watch(stream))


def test_what_a_reader_sends_back_is_no_farewell():
    reader, writer = socket.socketpair()
    reader.send(b"still here")

    async def write(stream: io.TextIOBase) -> None:
        async with Output(stream) as output:  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
            output.write("a line")

    with reader, open(writer.detach(), "w") as stream:  # noqa: PTH123
        asyncio.run(write(stream))
        assert reader.recv(100) == b"a line\n"
