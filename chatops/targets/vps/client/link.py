"""One SSH connection to a host: the only door. Scripts go in over standard input; bounded answers or endless lines come out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from chatops.targets.vps.client.address import HostAddress


@dataclass(frozen=True, slots=True)
class Answer:
    """How a script ended; `code` -1: a signal ended it. `err` keeps its last 64 KiB."""

    code: int
    out: bytes
    err: bytes


class Link:
    """A host we are logged in to. Every method raises TargetError when the host can't be reached or is lost."""

    host: HostAddress

    @classmethod
    async def open(cls, host: HostAddress) -> Link:
        """Connects, proves the host's key, logs in."""
        raise NotImplementedError

    async def script(
        self, text: str, *, stdin: bytes | Iterable[bytes] = b"", limit: float = 30.0, user: str = "", most: int = 4 << 20
    ) -> Answer:
        """Runs POSIX sh `text` (never seen in a process list) with `stdin`, as `user` ("": who logs in; needs root or sudo)."""
        raise NotImplementedError

    def lines(self, text: str, *, limit: float | None = None, user: str = "") -> AsyncGenerator[bytes]:
        """The lines that `text` prints, as they come; held back while nobody takes them. Close it (`aclosing`) to end it."""
        raise NotImplementedError

    async def close(self) -> None:
        """Hangs up."""
        raise NotImplementedError
