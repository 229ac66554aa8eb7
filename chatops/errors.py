"""What can go wrong, as the exit codes users meet.

ChatopsError            1  never raised itself: anything unmapped is a bug here
|- ConfigError          2  the file or the command line is wrong; carries Problems
|- TargetError          3  the target is out of reach or refused us (host key and rights included)
|- StepFailed           4  a step failed; what was serving still serves
|- Unhealthy            5  the new release proved unhealthy; what was serving still or again serves
|- Locked               6  somebody else is changing the target
|- UnknownOutcome       9  the link was lost where it matters: run again or `attach`
`- Interrupted        130  the operator asked us to stop
"""

from __future__ import annotations

from chatops.frozen import frozen


@frozen
class Problem:
    """One fault in the YAML. Line and column count from 1; `path` is dotted (`targets.local.port`)."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: "
        return place + (f"{self.path}: {self.message}" if self.path else self.message)


class ChatopsError(Exception):
    """What failed and why, in one fragment, and one hint (may be empty)."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(ChatopsError):
    """The configuration or the command line can't be used; `problems` may be empty."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message, hint)
        self.problems = problems


class TargetError(ChatopsError):
    """The target is out of reach, or it refused us."""

    exit_code = 3


class StepFailed(ChatopsError):
    """A step failed; what was serving still serves."""

    exit_code = 4


class Unhealthy(ChatopsError):
    """The new release proved unhealthy; what was serving still or again serves."""

    exit_code = 5


class Locked(ChatopsError):
    """Somebody else is changing the target."""

    exit_code = 6


class UnknownOutcome(ChatopsError):
    """We can't tell how it ended; running again or `attach` finds out."""

    exit_code = 9


class Interrupted(ChatopsError):
    """The operator asked us to stop."""

    exit_code = 130
