"""Secrets behind the file's references, resolved late: only commands that need them call `environment`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from chatops.config.approvals import approve
from chatops.config.command import output
from chatops.config.load import Config
from chatops.config.report import Report, quoted, shown
from chatops.config.variables import Variables
from chatops.errors import ConfigError, Problem
from chatops.model import Environment, FromCommand, FromEnv, FromFile, Generate, SecretReference
from chatops.redact import SHORTEST, Redactor, Secret
from chatops.shell import words

LARGEST = 64 * 1024
"""Size limit of one secret, in bytes."""


def environment(config: Config) -> Environment:
    """Plain values and secrets of the app. Raises ConfigError with every reference that can't be resolved, at its place."""
    report = Report(shown(config.file))
    variables = Variables(config.file.parent, report.problems)
    resolved: dict[str, str | Secret | Generate] = dict(config.app.env)
    for name, reference in config.app.secrets.items():
        try:
            resolved[name] = _resolve(reference, config, name, variables)
        except ConfigError as error:
            report.problems.append(_placed(config, name, error))
    report.settle()
    return resolved


def redactor(environment: Environment) -> Redactor:
    """Hides the environment's secrets in text."""
    return Redactor(value for value in environment.values() if isinstance(value, Secret))


def _placed(config: Config, name: str, error: ConfigError) -> Problem:
    return config.problem(f"app.secrets.{name}", error.message, error.hint)


def _resolve(reference: SecretReference, config: Config, name: str, variables: Variables) -> Secret | Generate:
    match reference:
        case Generate():
            return reference
        case FromEnv(variable):
            return _secret(_from_variable(variable, variables))
        case FromFile(path):
            return _secret(_text(private(path)))
        case FromCommand(arguments):
            approve(config.file, arguments, _placed(config, name, ConfigError("runs a command")))
            return _secret(_text(output(arguments, config.file.parent, LARGEST)))


def _from_variable(name: str, variables: Variables) -> str:
    value = variables.get(name)
    if value is None:
        raise ConfigError(f"`{name}` is not set", "set it in the environment, or in `.env` beside the file")
    if name not in os.environ:
        private(variables.file)
    return value


def private(path: Path) -> bytes:
    """The content of a file that nobody else may read. Raises ConfigError when that is not so."""
    try:
        # Without O_NONBLOCK a named pipe would hold us here.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"can't read {quoted(str(path))}: {reason}") from error
    try:
        _check_private(os.fstat(descriptor), path)
        return os.read(descriptor, LARGEST + 1)
    finally:
        os.close(descriptor)


def _check_private(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{quoted(str(path))} is no file")
    if status.st_mode & 0o077:
        raise ConfigError(f"others may read {quoted(str(path))}", f"chmod 600 {words(path)}")


def _text(content: bytes) -> str:
    """Bytes as text, without the one newline that editors and commands put at the end."""
    if len(content) > LARGEST:
        raise ConfigError(f"is larger than {LARGEST} bytes")
    try:
        return content.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text") from error


def _secret(value: str) -> Secret:
    if len(value) < SHORTEST:
        raise ConfigError(f"has fewer than {SHORTEST} characters", "a secret this short can't be hidden in output")
    if "\0" in value:
        raise ConfigError("holds a NUL, which no environment can carry")
    return Secret(value)
