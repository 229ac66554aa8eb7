"""`chatops check`: reads the file and says every problem in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chatops.cli.invocation import Invocation, of
from chatops.errors import ConfigError

if TYPE_CHECKING:
    from chatops.config import Config


def check(
    context: typer.Context,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file instead.")] = False,
) -> None:
    """Read the file and print every problem in it. Each with its place and a hint."""
    invocation = of(context)
    if schema:
        _print_schema()
        return
    try:
        config = _checked(invocation)
    except ConfigError as error:
        if not invocation.json:
            raise
        invocation.answer({"ok": False, "error": error.message, "hint": error.hint, "problems": error.problems})
        raise typer.Exit(error.exit_code) from None
    _say(invocation, config)


def _print_schema() -> None:
    import json

    from chatops.config.json_schema import schema

    print(json.dumps(schema(), indent=2))


def _checked(invocation: Invocation) -> Config:
    """The file, whose app must be there too: other commands can do without it."""
    config = invocation.load()
    if config.app.path.is_dir():
        return config
    problem = config.problem(
        "app.path", "no such folder", "write it from the file's folder, or leave it out for the sample chat"
    )
    raise ConfigError(f"1 problem in {problem.file}", problems=(problem,))


def _say(invocation: Invocation, config: Config) -> None:
    targets = [{"name": entry.name, "kind": entry.kind} for entry in config.targets.values()]
    if invocation.json:
        invocation.answer({"ok": True, "file": str(config.file), "app": config.app.name, "targets": targets, "problems": []})
        return
    names = ", ".join(name if name == entry.kind else f"{name} ({entry.kind})" for name, entry in config.targets.items())
    print(f"{config.file.name} is fine: app {config.app.name}, targets {names}")
