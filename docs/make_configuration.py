"""Makes docs/configuration.md from the annotated example and the schema: `python docs/make_configuration.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatops import config
from chatops.config.json_schema import schema

PAGE = Path(__file__).with_name("configuration.md")

INTRODUCTION = """\
# chatops.yaml

`chatops init` writes this file, `chatops check` reads it and says every problem at once, each at its line and column.
This page is made from `chatops.example.yaml`, which is tested; `chatops check --schema` prints the JSON Schema for your editor.

## How it is read

- YAML 1.2 without surprises: `no`, `on`, `22:22`, `0644`, `1.10` and dates are text. `true` and `false`, whole numbers and
  `null` are what they seem to be, where such a value is wanted. A number may be quoted; nothing else is converted.
- One document of at most 256 KiB, in UTF-8. No anchors, aliases, tags, merge keys or repeated keys.
- An unknown key is an error. Keys that begin with `x-` are yours and are ignored, at any depth.
- `${NAME}` in a value is a variable from the environment, else from `.env` beside the file; unset, it is an error.
  `${NAME:-default}` has a default for unset and empty; `$$` is a dollar. Keys and `app.secrets` are taken as written.
- Text that looks like a credential (Heroku, GitHub, AWS, a private key) is an error anywhere in the file.
- A relative path starts at the file's folder, `~` at your home.

## Secrets

Under `app.secrets` stand references, never values. They are read late, by the commands that need them; the value is hidden
in all output, so one of fewer than 6 characters is refused. Before the command of a reference runs for the first time it is
shown and you are asked; without a terminal it is refused, unless `CHATOPS_ALLOW_COMMANDS=1` is set.
"""

_KEY = re.compile(r"( *)([A-Za-z_][\w-]*):")


def page() -> str:
    """The whole page."""
    example = config.bundled_example().read_text("utf-8")
    return "\n".join([INTRODUCTION, "## The keys", *_sections(example), *_tables(), ""])


def _sections(example: str) -> Iterator[str]:
    """Each top-level key: the comment above it as prose, the rest as it stands in the example."""
    for paragraph in re.split(r"\n\n(?=# )", example.strip())[1:]:
        lines = paragraph.splitlines()
        prose = [line for line in lines if line.startswith("# ")]
        code = [line for line in lines if not line.startswith("# ")]
        key = next(match[2] for line in code if (match := _KEY.match(line)))
        yield "\n".join(["", f"### `{key}`", "", *(line[2:] for line in prose), "", "```yaml", *code, "```"])


def _tables() -> Iterator[str]:
    yield "\n## Reference\n"
    whole = schema()
    definitions = whole["$defs"]
    for name, block in {"app": definitions["AppBlock"], **_blocks(definitions)}.items():
        yield f"### Keys of {name}\n\n| key | default | what it takes |\n|---|---|---|"
        required = block.get("required", [])
        yield "\n".join(_row(key, part, key in required, definitions) for key, part in block["properties"].items()) + "\n"


def _blocks(definitions: dict[str, Any]) -> dict[str, Any]:
    kinds = [key for key in definitions if "kind" in definitions[key].get("properties", {})]
    return {f"a target of kind `{kind}`": definitions[kind] for kind in kinds}


def _row(key: str, part: dict[str, Any], required: bool, definitions: dict[str, Any]) -> str:
    default = "required" if required else _code(part["default"]) if part.get("default") is not None else ""
    return f"| `{key}` | {default} | {_takes(part, definitions).replace('|', chr(92) + '|')} |"


def _takes(part: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a schema takes, in a few words; the ways around it (`${…}`, null) are left out, for they hold everywhere."""
    if "$ref" in part:
        return _takes(definitions[part["$ref"].removeprefix("#/$defs/")], definitions)
    if "const" in part or "enum" in part:
        return " or ".join(_code(value) for value in part.get("enum", [part.get("const")]))
    if "type" not in part:
        ways = [_takes(way, definitions) for way in (*part.get("anyOf", ()), *part.get("oneOf", ()))]
        return " or ".join(dict.fromkeys(way for way in ways if way))
    return _kind(part, definitions)


def _kind(part: dict[str, Any], definitions: dict[str, Any]) -> str:
    kind = part["type"]
    if kind == "array":
        return f"a list of: {_takes(part.get('items', {}), definitions)}"
    if kind == "object":
        return _mapping(part, definitions)
    if "integer" in kind or "number" in kind[:1]:
        return f"a number{_range(part)}"
    if "boolean" in kind[:1]:
        return "`true` or `false`"
    return _text(part) if "string" in kind and part.get("pattern") != r"\$\{" else ""


def _mapping(part: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "properties" in part:
        return "a mapping with " + ", ".join(f"`{key}`" for key in part["properties"])
    values = [way for key, way in part.get("patternProperties", {}).items() if key != "^x-"] or [
        part.get("additionalProperties")
    ]
    return f"a mapping of names to: {_takes(values[0], definitions)}" if isinstance(values[0], dict) else "a mapping"


def _text(part: dict[str, Any]) -> str:
    pattern = next((way["pattern"] for way in part.get("anyOf", ()) if "pattern" in way), "")
    return f"text that matches `{pattern}`" if pattern else "text"


def _range(part: dict[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    return f" from {low} to {high}" if low is not None and high is not None else f", {low} or more" if low is not None else ""


def _code(value: Any) -> str:
    return f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
