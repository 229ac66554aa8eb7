"""Text from elsewhere made safe for a terminal: control characters become visible, lines are capped."""

from __future__ import annotations

import re

LINE_CAP = 64 * 1024
"""Longest line shown, in bytes of input; what is cut is counted at the end of the line."""

_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_CONTROLS = [*range(0x09), *range(0x0A, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, *map(ord, _BIDI)]
_VISIBLE = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _CONTROLS}
# Remote colours (SGR) say nothing that the level does not: dropped whole, so that they don't litter the line.
_SGR = re.compile("\x1b\\[[0-9;:]*m")


def sanitize(text: str) -> str:
    """`text` with C0 (but TAB), DEL, C1, bidi and line-separator characters shown as `\\xNN` / `\\uNNNN`."""
    if text.isprintable():
        return text
    return _SGR.sub("", text).translate(_VISIBLE).encode("utf-8", "backslashreplace").decode()  # lone surrogates of JSON


def sanitize_line(raw: bytes, dropped: int = 0) -> str:
    """One line of foreign bytes (no newline) as safe text of at most `LINE_CAP` bytes of input; `dropped` were cut before."""
    cut = max(0, len(raw) - LINE_CAP) + dropped
    text = raw[:LINE_CAP].decode("utf-8", errors="backslashreplace").removesuffix("\r")
    return sanitize(text) + (f" …[{cut} bytes cut]" if cut > 0 else "")
