"""The verbs: names and lines are known here, so that a verb's file is imported only when the verb is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

VERBS = {
    "init": "Write a commented `chatops.yaml`.",
    "check": "Read the file and print every problem in it.",
    "deploy": "Put the app on a target, without a dropped request or message.",
    "plan": "Show what a deploy would do; nothing is changed.",
    "rollback": "Make the release before, or a named one, serve again.",
    "releases": "List the releases that a target has kept, newest first.",
    "scale": "Run N workers (per app host); the surplus drains before it ends.",
    "restart": "Replace every worker by a fresh one of the same release.",
    "remove": "Take the app away; asks for the target's name.",
    "status": "Show url, release, workers and health of a target.",
    "attach": "Watch a deploy that runs on the target, from its first event.",
    "logs": "Show log lines of all workers, in the order of their times.",
    "run": "Run a command beside the app, with its environment.",
    "doctor": "Look at what a deploy would need; reads only.",
    "probe": "Talk through the public address and tell what users would feel.",
    "monitor": "Show health, workers and logs live.",
    "demo": "Deploy the bundled chat here and watch bots talk in the monitor.",
    "open": "Open the app's page in a browser; prints its address.",
}
"""Each with the first sentence of its function's docstring: all that help and completion of the tool itself need."""


class Verbs(TyperGroup):
    """A group whose commands are names with a line, until one of them is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=line) for name, line in VERBS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The real command, made from the verb's file."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, command(name) if name else found, rest


def command(name: str) -> Any:
    """The command of a verb: the function of its name, in the file of its name."""
    verb = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    verb.command(name)(getattr(import_module(f"chatops.cli.{name}"), name))
    return typer.main.get_command(verb)
