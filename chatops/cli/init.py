"""`chatops init`: writes a commented `chatops.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chatops.cli.invocation import of
from chatops.errors import ConfigError


def init(
    context: typer.Context,
    kind: Annotated[str, typer.Option("--kind", "-k", help="The kind of target to begin with.")] = "local",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a commented `chatops.yaml`. The keys of other targets stay in it as comments."""
    from chatops import config
    from chatops.config.starter import starter

    invocation = of(context)
    file = (invocation.config or Path("chatops.yaml")).absolute()
    text = starter(kind)
    if file.exists() and not force:
        raise ConfigError(f"`{file.name}` is there already", "`--force` overwrites it")
    _write(file, text, "w" if force else "x")
    entry = config.load(file).pick(None)
    if invocation.json:
        invocation.answer({"file": str(file), "target": entry.name, "kind": entry.kind})
    invocation.say(f"wrote {file.name}; next: `chatops check`, then `chatops deploy {entry.name}`")


def _write(file: Path, text: str, mode: str) -> None:
    try:
        with file.open(mode, encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigError(f"can't write `{file.name}`: {error.strerror}") from error
