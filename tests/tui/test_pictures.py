"""The pictures of the documents show the screen as it is now."""

from __future__ import annotations

import html
import re

import pytest

from docs.make_pictures import FOLDER, PICTURES, draw


def words(svg: str) -> list[str]:
    """The text of a picture; colours and positions may differ between versions of what draws."""
    return [html.unescape(text).strip() for text in re.findall(r">([^<>]+)</text>", svg)]


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_current(name: str) -> None:
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert words(draw(name)) == words(kept), "run `python -m docs.make_pictures`"
    assert "font-face" not in kept
