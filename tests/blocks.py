"""Blocks of the file as the loader makes them, and back."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter

BlockT = TypeVar("BlockT")


def block_of(kind: type[BlockT], data: Any) -> BlockT:
    """The block made of plain data. Raises pydantic.ValidationError."""
    return TypeAdapter(kind).validate_python(data)


def data_of(block: Any) -> Any:
    """Plain data of a block."""
    return TypeAdapter(type(block)).dump_python(block)
