"""Foreign bytes, in pieces of any size, become safe lines; a line without end takes no more memory than the longest shown."""

from __future__ import annotations

from chatops.sanitize import LINE_CAP, sanitize_line


class Splitter:
    """Cuts a stream of bytes at its newlines."""

    def __init__(self) -> None:
        self._partial = b""
        self._dropped = 0

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        first, *others = data.split(b"\n")
        if not others:
            self._keep(first)
            return []
        self._keep(first)
        lines = [sanitize_line(self._partial, self._dropped), *map(sanitize_line, others[:-1])]
        self._partial, self._dropped = b"", 0
        self._keep(others[-1])
        return lines

    def rest(self) -> list[str]:
        """The last line where it has no newline; nothing more belongs to it."""
        lines = [sanitize_line(self._partial, self._dropped)] if self._partial else []
        self._partial, self._dropped = b"", 0
        return lines

    def _keep(self, piece: bytes) -> None:
        room = LINE_CAP - len(self._partial)
        self._partial += piece[:room]
        self._dropped += max(0, len(piece) - room)
