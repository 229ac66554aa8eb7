"""One call of the tool: its global options, its file and target, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

from chatops.errors import ChatopsError, ConfigError, Interrupted, TargetError
from chatops.frozen import frozen

if TYPE_CHECKING:
    from chatops.config import Config
    from chatops.targets.base import Target

T = TypeVar("T")
TYPERS: tuple[type[BaseException], ...] = (typer.Exit, typer.Abort, *typer.BadParameter.__bases__)
"""What typer ends with by itself; of the errors of a wrong command line it names only one, whose base we take."""
STREAMING = {"attach", "deploy", "logs", "remove", "restart", "rollback", "scale"}
"""Verbs that with `--json` say on standard output how they failed, as their last line."""


@frozen
class Invocation:
    """The global options, as given; verbs get it from `of(context)`."""

    config: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    no_color: bool = False
    verb: str | None = None

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
        from chatops import config

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


def log_calls() -> None:
    """From now on, what is asked of a platform's API is told on standard error, each call with its request id."""
    import logging

    class Talk(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(f"debug: {record.getMessage()}", file=sys.stderr)  # looked up each time: the monitor takes its place

    logger = logging.getLogger("chatops")
    logger.addHandler(Talk())
    logger.setLevel(logging.DEBUG)


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
    except TYPERS as error:
        if not isinstance(error, typer.Exit):
            _finish(invocation, _meaning(error), getattr(error, "exit_code", 1))
        raise
    except (Exception, KeyboardInterrupt) as error:
        if invocation.debug and isinstance(error, Exception):
            _finish(invocation, _meaning(error), _meaning(error).exit_code)
            raise
        fail(invocation, _meaning(error))


def _meaning(error: BaseException) -> ChatopsError:
    """What an exception says to a user."""
    match error:
        case ChatopsError():
            return error
        case KeyboardInterrupt():
            return Interrupted("interrupted")
        case OSError():
            return TargetError(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
        case _ if isinstance(error, TYPERS):
            words = getattr(error, "format_message", lambda: "not confirmed")
            return ChatopsError(words())
        case _:
            from chatops.sanitize import sanitize

            words = f"{type(error).__name__}: {sanitize(str(error))}"
            return ChatopsError(f"a bug in chatops: {words}", "`--debug` shows where; please report it")


def fail(invocation: Invocation, error: ChatopsError) -> NoReturn:
    """Says what failed and leaves with its exit code."""
    _finish(invocation, error, error.exit_code)
    if isinstance(error, ConfigError):
        for problem in error.problems:
            print(problem, *([f"  hint: {problem.hint}"] if problem.hint else []), sep="\n", file=sys.stderr)
    if not isinstance(error, Interrupted) or invocation.verbose:
        print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    raise typer.Exit(error.exit_code)


def _finish(invocation: Invocation, error: ChatopsError, code: int) -> None:
    """The last line of a stream of events that has failed before, or beside, what it tells of."""
    if not invocation.json or invocation.verb not in STREAMING:
        return
    from chatops.events import Finished
    from chatops.render.ndjson import write

    now = time.time()
    with contextlib.suppress(OSError):
        write(
            Finished(time=now, ok=False, changed=False, seconds=0.0, exit_code=code, error=error.message, hint=error.hint or "")
        )


def _leave_pipe() -> NoReturn:
    """The reader went away (`| head`): end quietly, as grep does."""
    mute()
    raise typer.Exit(0)


def mute() -> None:
    """Nobody reads standard output any more; the interpreter flushes it at exit, too."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
