"""Server-sent events out of pieces of bytes (WHATWG HTML, "Server-sent events"); only `data` and `id` matter here."""

from __future__ import annotations

LARGEST = 1024 * 1024
"""Bytes of an unfinished event that are kept."""


class Events:
    """Feed it pieces; it gives every event that is complete."""

    def __init__(self) -> None:
        self._last = b""
        self._rest = b""

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """(data, id) of the events that `piece` completes; comments and empty events are left out."""
        buffer = self._rest + piece
        if b"\r" in buffer:
            buffer = buffer.replace(b"\r\n", b"\n")
        *events, rest = buffer.split(b"\n\n")
        self._rest = rest[-LARGEST:]
        return [(data, self._last) for event in events if (data := self._data(event)) is not None]

    def _data(self, event: bytes) -> bytes | None:
        parts: list[bytes] = []
        for line in event.split(b"\n"):
            if line.startswith(b"data:"):
                parts.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"id:"):
                self._last = line[3:].strip()
        return b"\n".join(parts) if parts else None
