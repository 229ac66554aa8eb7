"""The file's bytes as text: bounded, UTF-8, and without characters that a reader can't see."""

from __future__ import annotations

import re
from pathlib import Path

from chatops.config.report import START, Place, Report
from chatops.errors import ConfigError
from chatops.sanitize import sanitize

LARGEST = 256 * 1024
"""Size limit of the file, in bytes."""

# Controls, lone CR and the line breaks that only YAML 1.1 knows would make the file read otherwise than it looks.
_UNSEEN = (
    "\r(?!\n)|[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    "|[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def read(file: Path, report: Report) -> str:
    """The text of `file`. Raises ConfigError when it can't be used as text at all."""
    return decode(content(file, report), report)


def decode(content: bytes, report: Report) -> str:
    """UTF-8 bytes as text, a leading byte order mark dropped. Raises ConfigError with the position of what is wrong."""
    if len(content) > LARGEST:
        report.add(START, "", f"the file has {len(content)} bytes; {LARGEST} are the limit")
        raise report.error()
    text = _utf8(content, report).removeprefix("\ufeff")
    if unseen := re.search(_UNSEEN, text):
        message = f"control or invisible character {_name(unseen.group())}"
        report.add(_place(text, unseen.start()), "", message, "remove it, or write it as an escape in double quotes")
        raise report.error()
    return text


def content(file: Path, report: Report) -> bytes:
    """Its bytes, at most one more than the limit. Raises ConfigError when it can't be read."""
    try:
        if not file.is_file():
            raise ConfigError(f"no file `{report.file}`", "`chatops init` writes one")
        with file.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"can't read `{report.file}`: {error.strerror}") from error


def _utf8(content: bytes, report: Report) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        report.add(_place(before, len(before)), "", f"byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8")
        raise report.error() from error


def _place(text: str, index: int) -> Place:
    before = text[:index]
    return Place(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _name(character: str) -> str:
    return f"U+{ord(character):04X}" if sanitize(character) == character else sanitize(character)
