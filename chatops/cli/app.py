"""The `chatops` command: global options, and the verb that was asked for. Nothing heavy is imported here (<= 100 ms)."""

from __future__ import annotations

import atexit
import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from chatops import __version__
from chatops.cli import invocation
from chatops.cli.verbs import Verbs

app = typer.Typer(
    name="chatops",
    cls=Verbs,
    help="Deploy, watch and scale chat and other real-time apps from one YAML file.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Global options may stand before or after the command.",
)

_FLAGS = {"--json", "--quiet", "-q", "--verbose", "-v", "--debug", "--no-color"}
_VALUED = {"--config", "-c"}


def _version(wanted: bool) -> None:
    if wanted:
        print(f"chatops {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", "-c", envvar="CHATOPS_CONFIG", help="The YAML file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No talk on standard error.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what steps print.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Tracebacks, and every API call.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Deploy, watch and scale chat and other real-time apps from one YAML file."""
    context.obj = invocation.Invocation(config, json, quiet, verbose, debug, no_color, context.invoked_subcommand)
    if debug:
        invocation.log_calls()
    context.with_resource(invocation.ending(context.obj))


def hoist(arguments: list[str]) -> list[str]:
    """Global options first, wherever they stood (up to `--`), so that `status local --json` works too."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments[:end])
    for word in words:
        if word in _VALUED:
            front += [word, *([value] if (value := next(words, None)) is not None else [])]
        elif word in _FLAGS or word.startswith(("--config=", "-c")):
            front.append(word)
        else:
            rest.append(word)
    return front + rest + arguments[end:]


def main() -> None:
    """The entry point of the installed command."""
    gc.set_threshold(20_000)  # what is made while modules are loaded is no garbage: 5 ms
    atexit.register(gc.freeze)  # and what is left at the end goes with the process: 6 ms
    invocation.open_streams()
    app(hoist(sys.argv[1:]), prog_name="chatops")
