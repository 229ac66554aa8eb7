"""The argument TARGET of every verb, and its shell completion: a scan of the file that costs no YAML parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer

NAME = "chatops.yaml"
_SECTION = re.compile(r"targets:[ \t]*(?P<flow>\{.*)?", re.DOTALL)
_ENTRY = re.compile(r"(?P<indent> +)(?P<quote>[\"']?)(?P<name>[\w.-]+)(?P=quote):(\s|$)")
_FLOW = re.compile(r"[{}\[\]]|(?P<quote>[\"']?)(?P<name>[\w.-]+)(?P=quote):(?=\s|$)")


def complete(context: typer.Context, incomplete: str) -> list[str]:
    """Names of targets that begin as typed; none where there is no file or it can't be read."""
    file = _file(context.find_root().params.get("config"))
    try:
        text = file.read_text("utf-8") if file else ""
    except (OSError, ValueError):
        return []
    return [name for name in names(text) if name.startswith(incomplete)]


def _file(given: str | Path | None) -> Path | None:
    if given is not None:
        return Path(given)
    here = Path.cwd()
    return next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), None)


def names(text: str) -> list[str]:
    """The keys under `targets:`, in block or flow style, as far as a glance tells them."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if match := _SECTION.match(line):
            section = takewhile(lambda line: not line[:1].strip() or line.startswith(("#", "}")), lines[number + 1 :])
            rest = [line for line in section if not line.lstrip().startswith("#")]
            return list(_flow("\n".join([match["flow"], *rest])) if match["flow"] else _block(rest))
    return []


def _block(lines: list[str]) -> Iterator[str]:
    entries = [match for line in lines if (match := _ENTRY.match(line))]
    return (match["name"] for match in entries if match["indent"] == entries[0]["indent"])


def _flow(text: str) -> Iterator[str]:
    depth = 0
    for match in _FLOW.finditer(text):
        if match["name"] is None:
            depth += 1 if match[0] in "{[" else -1
        elif depth == 1:
            yield match["name"]


TargetName = Annotated[str | None, typer.Argument(metavar="TARGET", help="A target of the file.", autocompletion=complete)]
