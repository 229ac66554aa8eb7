"""The block of a local target in the file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Block(BaseModel):
    """`workers` processes behind one TCP port on loopback; `keep` releases stay for rollback."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int = Field(default=2, ge=1, le=64)
    port: int = Field(default=3000, ge=1, le=65535)
    keep: int = Field(default=5, ge=2, le=100)
