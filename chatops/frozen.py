"""Values are frozen dataclasses. There are a hundred, and what a class costs to make is part of every command's start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

ValueT = TypeVar("ValueT")


@overload
def frozen(cls: type[ValueT], /) -> type[ValueT]: ...
@overload
def frozen(*, kw_only: bool = False) -> Callable[[type[ValueT]], type[ValueT]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: Any = None, /, *, kw_only: bool = False) -> Any:
    """A frozen dataclass with slots. All share how they are printed and compared: methods of its own cost a class a third."""

    def made(cls: Any) -> Any:
        cls.__repr__, cls.__eq__, cls.__hash__ = _repr, _eq, _hash
        return dataclass(frozen=True, slots=True, repr=False, eq=False, kw_only=kw_only)(cls)

    return made(cls) if cls else made


def _repr(self: Any) -> str:
    shown = ", ".join(f"{part.name}={getattr(self, part.name)!r}" for part in fields(self) if part.repr)
    return f"{type(self).__qualname__}({shown})"


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, part.name) for part in fields(self) if part.compare)


def _eq(self: Any, other: Any) -> Any:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))
