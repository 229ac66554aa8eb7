"""Makes docs/pictures from the scripted life that the tests of the screen are fed with: the same picture on every machine.

Run: `python -m docs.make_pictures`.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

from tests.tui.feed import Acted, life, monitor, press, running, source

FOLDER = Path(__file__).parent / "pictures"
PICTURES: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "monitor": ((120, 40), ()),
    "monitor-80x24": ((80, 24), ()),
    "monitor-rollback": ((120, 40), ("b",)),
}
"""Name, size in cells, and the keys that are pressed before."""
FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def draw(name: str) -> str:
    """One picture as SVG, with whatever monospaced font the reader has: nothing is fetched from elsewhere."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    size, keys = PICTURES[name]
    return FONT_FACES.sub("", asyncio.run(_screenshot(size, keys)))


async def _screenshot(size: tuple[int, int], keys: tuple[str, ...]) -> str:
    app = monitor(source(life(), act=Acted()))
    async with running(app, size) as pilot:
        await press(pilot, *keys)
        return app.export_screenshot(title="chatops monitor")


def main() -> None:
    """All of them."""
    FOLDER.mkdir(exist_ok=True)
    for name in PICTURES:
        (FOLDER / f"{name}.svg").write_text(draw(name), encoding="utf-8")


if __name__ == "__main__":
    main()
