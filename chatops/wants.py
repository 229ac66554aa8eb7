"""How the blocks of the file say what they take: frozen dataclasses, so that who only reads one needs no pydantic (0.1 s)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

from chatops.frozen import frozen

BlockT = TypeVar("BlockT")


class Hinted(ValueError):
    """A fault that a check found, with advice."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass_transform(kw_only_default=True, frozen_default=True)
def block(cls: type[BlockT]) -> type[BlockT]:
    """A mapping without unknown keys; what `__post_init__` raises as ValueError is a fault of the whole."""
    cls.__pydantic_config__ = {"extra": "forbid", **getattr(cls, "__pydantic_config__", {})}  # type: ignore[attr-defined]
    return frozen(kw_only=True)(cls)


class Wants:
    """Narrows a type with the keys of its core schema (`pattern`, `ge`, `max_length`...; see pydantic_core.core_schema)."""

    def __init__(self, **keys: Any) -> None:
        self._keys = keys

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return {**handler(source), **self._keys}


class Checked:
    """Narrows a type by a function that gives the value or raises ValueError; `raw`: it sees what stands in the file."""

    def __init__(self, check: Callable[[Any], Any], *, raw: bool = False) -> None:
        self._kind = "function-before" if raw else "function-after"
        self._check = check

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return {"type": self._kind, "function": {"type": "no-info", "function": self._check}, "schema": handler(source)}
