"""One call of the tool: its global options, its file and target, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

from chatops.errors import ChatopsError, ConfigError, Interrupted, TargetError

if TYPE_CHECKING:
    from chatops.config import Config
    from chatops.targets.base import Target

T = TypeVar("T")
TYPERS: tuple[type[BaseException], ...] = (typer.Exit, typer.Abort, *typer.BadParameter.__bases__)
"""What typer ends with by itself; of the errors of a wrong command line it names only one, whose base we take."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The global options, as given; verbs get it from `of(context)`."""

    config: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    no_color: bool = False

    @property
    def color(self) -> bool:
        """Whether data on standard output may be coloured."""
        return not self.json and self._colored(sys.stdout)

    @property
    def talk_color(self) -> bool:
        """Whether talk on standard error may be coloured."""
        return self._colored(sys.stderr)

    def _colored(self, stream: Any) -> bool:
        return not (self.no_color or os.environ.get("NO_COLOR")) and interactive(stream)

    def load(self) -> Config:
        """The file, checked. Raises ConfigError with every problem in it."""
        from chatops import config  # pydantic and yaml: 110 ms

        return config.load(config.find(self.config))

    @contextlib.asynccontextmanager
    async def _opened(self, config: Config, name: str | None) -> Any:
        from chatops.targets import catalog

        entry = config.pick(name)
        target = catalog.make(entry.kind, entry.name, entry.block, config.app, config.file.parent)
        try:
            yield target
        finally:
            await target.close()

    def target(self, config: Config, name: str | None) -> contextlib.AbstractAsyncContextManager[Target[Any]]:
        """The named (or only, or default) target, closed at the end of the block."""
        return self._opened(config, name)

    def answer(self, value: Any) -> None:
        """One JSON object on standard output."""
        import json

        from chatops.events import plain

        print(json.dumps({"v": 1, **plain(value)}, ensure_ascii=False), flush=True)

    def say(self, text: str) -> None:
        """Talk: to standard error, unless quiet."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)


def of(context: typer.Context) -> Invocation:
    """The call that `context` belongs to."""
    invocation = context.find_root().obj
    return invocation if isinstance(invocation, Invocation) else Invocation()


def interactive(stream: Any) -> bool:
    """Whether somebody looks at `stream` in a real terminal."""
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def open_streams() -> None:
    """Gives every standard stream that was closed a place to go, and lets none fail over a character it can't show."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif name != "stdin":
            stream.reconfigure(errors="backslashreplace")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs to the end; SIGTERM and SIGHUP cancel like ctrl+c does, so that everything is given back."""
    import asyncio  # 50 ms, with ssl

    return asyncio.run(_cancellable(coroutine))


async def _cancellable(coroutine: Coroutine[Any, Any, T]) -> T:
    import asyncio

    main = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if main and signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, main.cancel)
    try:
        return await coroutine
    except asyncio.CancelledError:
        raise Interrupted("interrupted") from None


@contextlib.contextmanager
def ending(invocation: Invocation) -> Iterator[None]:
    """Turns every way a verb can end into the exit code and the words of CONTRACT."""
    try:
        yield
    except BrokenPipeError:
        _leave_pipe()
    except KeyboardInterrupt:
        fail(invocation, Interrupted("interrupted"))
    except ChatopsError as error:
        if invocation.debug:
            raise
        fail(invocation, error)
    except OSError as error:
        if invocation.debug:
            raise
        fail(invocation, TargetError(f"{error.strerror or error}: {error.filename}" if error.filename else str(error)))
    except TYPERS:
        raise
    except Exception as error:
        if invocation.debug:
            raise
        from chatops.sanitize import sanitize

        words = f"{type(error).__name__}: {sanitize(str(error))}"
        fail(invocation, ChatopsError(f"a bug in chatops: {words}", "`--debug` shows where; please report it"))


def fail(invocation: Invocation, error: ChatopsError) -> NoReturn:
    """Says what failed and leaves with its exit code."""
    if isinstance(error, ConfigError):
        for problem in error.problems:
            print(problem, *([f"  hint: {problem.hint}"] if problem.hint else []), sep="\n", file=sys.stderr)
    if not isinstance(error, Interrupted) or invocation.verbose:
        print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    raise typer.Exit(error.exit_code)


def _leave_pipe() -> NoReturn:
    """The reader went away (`| head`): end quietly, as grep does."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  the interpreter flushes stdout at exit
    raise typer.Exit(0)
