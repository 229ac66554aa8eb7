"""Standard output: prompt on a terminal, in few writes to a program, quiet when the reader goes."""

from __future__ import annotations

import asyncio
import io
import os

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

    stream = open(writer, "w")  # noqa: SIM115, PTH123
    with pytest.raises(BrokenPipeError):
        asyncio.run(write(stream))
    with pytest.raises(BrokenPipeError):
        stream.close()
