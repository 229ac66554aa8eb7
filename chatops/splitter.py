"""Foreign bytes, in pieces of any size, become safe lines; a line without end takes no more memory than the longest shown."""

from __future__ import annotations

from chatops.sanitize import LINE_CAP, sanitize, sanitize_line


class Splitter:
    """Cuts a stream of bytes at its newlines."""

    def __init__(self) -> None:
        self._partial = b""
        self._dropped = 0

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        first, newline, others = data.partition(b"\n")
        self._keep(first)
        if not newline:
            return []
        lines = self.rest(whole=True)
        end = others.rfind(b"\n") + 1
        if end:
            lines += _lines(others[: end - 1])
        self._keep(others[end:])
        return lines

    def rest(self, whole: bool = False) -> list[str]:
        """The last line, where it has no newline (an empty one counts when it is known to be `whole`)."""
        lines = [sanitize_line(self._partial, self._dropped)] if self._partial or whole else []
        self._partial, self._dropped = b"", 0
        return lines

    def _keep(self, piece: bytes) -> None:
        room = LINE_CAP - len(self._partial)
        self._partial += piece[:room]
        self._dropped += max(0, len(piece) - room)


def _lines(data: bytes) -> list[str]:
    """Whole lines at once: a third of the price of one by one."""
    lines = data.decode("utf-8", errors="backslashreplace").split("\n")
    if 4 * max(map(len, lines)) > LINE_CAP:  # a character has at most 4 bytes
        return list(map(sanitize_line, data.split(b"\n")))
    return [line if line.isprintable() else sanitize(line.removesuffix("\r")) for line in lines]
