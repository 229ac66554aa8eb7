"""Paging by the Range header: `version ..; max=10, order=desc` and the other spellings that clients send."""

import re
from dataclasses import dataclass
from typing import Any

from tests.heroku.emulator.errors import Refused

_RANGE = re.compile(
    r"\s*(?P<field>[a-z_]+)\s+(?P<open>\]?)(?P<start>[^;]*?)\.\.(?P<end>[^;\[]*)(?P<close>\[?)\s*(?:;(?P<options>.*))?\Z"
)
DEFAULT_MAXIMUM = 200
LARGEST_MAXIMUM = 1000

Items = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Page:
    """A list that can be paged, and the field it is ordered by when nobody says."""

    items: Items
    field: str = "id"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One understood Range header."""

    field: str
    start: str = ""
    after: bool = False
    end: str = ""
    maximum: int = DEFAULT_MAXIMUM
    descending: bool = False


def cut(page: Page, header: str) -> tuple[Items, dict[str, str], bool]:
    """The items asked for, the headers that describe them, and whether there are more. Raises Refused (416)."""
    wanted = _parse(header, page.field)
    items = _ordered(page.items, wanted)
    taken = items[: wanted.maximum]
    headers = {"Accept-Ranges": ", ".join(_sortable(page.items)), "Content-Range": _content_range(taken, wanted)}
    more = len(items) > len(taken)
    if more:
        order = ", order=desc" if wanted.descending else ""
        headers["Next-Range"] = f"{wanted.field} ]{taken[-1][wanted.field]}..; max={wanted.maximum}{order}"
    return taken, headers, more


def _parse(header: str, default: str) -> Wanted:
    if not header.strip():
        return Wanted(default)
    match = _RANGE.match(header)
    if not match:
        raise Refused(416)
    options = dict(re.findall(r"(\w+)=(\w+)", match["options"] or ""))
    maximum = int(options.get("max", DEFAULT_MAXIMUM))
    if not 0 < maximum <= LARGEST_MAXIMUM:
        raise Refused(416)
    return Wanted(
        match["field"], match["start"].strip(), match["open"] == "]", match["end"].strip(), maximum,
        options.get("order") == "desc",
    )  # fmt: skip


def _ordered(items: Items, wanted: Wanted) -> Items:
    if items and wanted.field not in _sortable(items):
        raise Refused(416)
    chosen = sorted(items, key=lambda item: _key(item[wanted.field]), reverse=wanted.descending)
    return [item for item in chosen if _within(_key(item[wanted.field]), wanted)]


def _within(value: tuple[int, str], wanted: Wanted) -> bool:
    sign = -1 if wanted.descending else 1
    if wanted.start and (order := _compare(value, _key(wanted.start)) * sign) <= 0 and (order < 0 or wanted.after):
        return False
    return not wanted.end or _compare(value, _key(wanted.end)) * sign <= 0


def _compare(one: tuple[int, str], other: tuple[int, str]) -> int:
    return (one > other) - (one < other)


def _key(value: Any) -> tuple[int, str]:
    text = str(value)
    return (int(text), "") if text.isdigit() else (0, text)


def _sortable(items: Items) -> list[str]:
    first = items[0] if items else {}
    return [name for name, value in first.items() if isinstance(value, str | int) and not isinstance(value, bool)]


def _content_range(items: Items, wanted: Wanted) -> str:
    if not items:
        return f"{wanted.field} .."
    return f"{wanted.field} {items[0][wanted.field]}..{items[-1][wanted.field]}; max={wanted.maximum}"
