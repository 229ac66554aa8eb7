"""The file's own part; the blocks of targets belong to their kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from chatops.config.report import Place
from chatops.frozen import frozen
from chatops.model import FromCommand, FromEnv, FromFile, Generate, SecretReference
from chatops.wants import Checked, Hinted, Wants, block

VariableName = Annotated[str, Wants(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Name = Annotated[str, Wants(pattern=r"^[a-z][a-z0-9-]*$", max_length=60)]
PathText = Annotated[str, Wants(min_length=1)]


def _open_path(path: str) -> str:
    if path == "/metrics" or path.startswith(("/.chatops/", "/.well-known/acme-challenge/")):
        raise Hinted("is not open to users: on a server nginx answers there itself", "choose another path, as `/health`")
    return path


UrlPath = Annotated[str, Wants(pattern=r"^/[A-Za-z0-9._~!&()*+,=:@/-]*$"), Checked(_open_path)]

_WAYS = ("generate", "env", "file", "command")
_ONE = f"needs exactly one of {', '.join(_WAYS)}"


@block
class Reference:
    """Where a secret comes from: exactly one of the four."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"json_schema_extra": {"oneOf": [{"required": [way]} for way in _WAYS]}}

    generate: Annotated[int, Wants(ge=16, le=256)] | None = None
    env: VariableName | None = None
    file: PathText | None = None
    command: Annotated[list[str], Wants(min_length=1)] | None = None

    def __post_init__(self) -> None:
        if sum(getattr(self, way) is not None for way in _WAYS) != 1:
            raise ValueError(_ONE)


def _no_literal(value: Any) -> Any:
    if isinstance(value, dict):
        if None in value.values():  # a way without a value is no way left out
            raise ValueError(_ONE)
        return value
    hint = "write `{env: NAME}`, `{file: PATH}`, `{command: [PROGRAM, ARGUMENT]}` or `{generate: 32}`"
    raise Hinted("must be a reference, never the secret itself", hint)


@block
class AppBlock:
    """What the app is, wherever it lives."""

    name: Annotated[str, Wants(pattern=r"^[a-z][a-z0-9-]{1,28}[a-z0-9]$")]
    path: PathText | None = None
    health: UrlPath = "/health"
    websocket: UrlPath | None = None
    env: Mapping[VariableName, str] = field(default_factory=dict)
    secrets: Mapping[VariableName, Annotated[Reference, Checked(_no_literal, raw=True)]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.health == self.websocket:
            raise ValueError("`health` and `websocket` are the same path: one answers requests, the other upgrades them")


@block
class File:
    """The whole file; what stands under a target's name is checked by the block of its kind."""

    version: Literal[1]
    default_target: Name | None = None
    app: AppBlock
    targets: Annotated[Mapping[Name, Any], Wants(min_length=1)]


@frozen
class Entry:
    """A target as the file names it; `block` is the checked one of its kind."""

    name: str
    kind: str
    block: Any


@frozen
class Meaning:
    """What a file without problems says; `lasting`: whatever the environment is. `places`: where each dotted path stands."""

    block: File
    targets: Mapping[str, Entry]
    places: Mapping[str, Place]
    lasting: bool


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
