"""The file's own part as a pydantic model; the blocks of targets belong to their kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from chatops.model import FromCommand, FromEnv, FromFile, Generate, SecretReference

VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"

VariableName = Annotated[str, StringConstraints(pattern=VARIABLE)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=60)]
PathText = Annotated[str, StringConstraints(min_length=1)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$")]


_WAYS = ("generate", "env", "file", "command")


class Hinted(ValueError):
    """A fault that a validator found, with advice."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Strict(BaseModel):
    """A mapping without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reference(Strict):
    """Where a secret comes from: exactly one of the four."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [way]} for way in ("generate", "env", "file", "command")]}
    )

    generate: int | None = Field(default=None, ge=16, le=256)
    env: VariableName | None = None
    file: PathText | None = None
    command: Annotated[list[str], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Reference:
        if len(self.model_fields_set) != 1 or getattr(self, next(iter(self.model_fields_set))) is None:
            raise ValueError(f"needs exactly one of {', '.join(_WAYS)}")
        return self


def _no_literal(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    hint = "write `{env: NAME}`, `{file: PATH}`, `{command: [PROGRAM, ARGUMENT]}` or `{generate: 32}`"
    raise Hinted("must be a reference, never the secret itself", hint)


class AppBlock(Strict):
    """What the app is, wherever it lives."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,28}[a-z0-9]$")]
    path: PathText | None = None
    health: UrlPath = "/health"
    websocket: UrlPath | None = None
    env: dict[VariableName, str] = Field(default_factory=dict)
    secrets: dict[VariableName, Annotated[Reference, BeforeValidator(_no_literal)]] = Field(default_factory=dict)


class File(Strict):
    """The whole file; what stands under a target's name is checked by the model of its kind."""

    version: Literal[1]
    default_target: Name | None = None
    app: AppBlock
    targets: Annotated[dict[Name, Any], Field(min_length=1)]


def reference(given: Reference, folder: Path) -> SecretReference:
    """The model's value for a checked reference; a file's path starts at `folder`."""
    if given.generate is not None:
        return Generate(given.generate)
    if given.env is not None:
        return FromEnv(given.env)
    if given.file is not None:
        return FromFile(below(folder, given.file))
    return FromCommand(tuple(given.command or ()))


def below(folder: Path, written: str) -> Path:
    """A path of the file as an absolute one: from `folder`, unless it begins with `/` or `~`."""
    try:
        return (folder / Path(written).expanduser()).resolve()
    except RuntimeError:  # no such user, or a loop of links: whoever opens it says so
        return folder / written
