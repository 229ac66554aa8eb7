"""The block of a local target in the file."""

from __future__ import annotations

from typing import Annotated

from chatops.wants import Wants, block


@block
class Block:
    """`workers` processes behind one TCP port on loopback; `keep` releases stay for rollback."""

    workers: Annotated[int, Wants(ge=1, le=64)] = 2
    port: Annotated[int, Wants(ge=1, le=65535)] = 3000
    keep: Annotated[int, Wants(ge=2, le=100)] = 5
