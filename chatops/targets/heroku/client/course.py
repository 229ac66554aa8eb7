"""What the steps of one plan share while they are carried out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chatops.targets.heroku.client.api import Api
from chatops.targets.heroku.client.objects import Objects
from chatops.targets.heroku.client.read import app_path, latest_release

FIRST, GROWTH, MOST = 0.15, 1.3, 2.0
"""Waits between two looks, in seconds: short at first, since most things end soon."""


@dataclass(slots=True)
class Course:
    """`release` is the id of the release that was made, `version` its number; `building` the build that runs now."""

    api: Api
    target: str
    app: str
    folder: Path
    redact: Callable[[str], str]
    release: str | None = None
    version: int | None = None
    building: str | None = None
    _objects: Objects | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """The app's path in the API."""
        return app_path(self.app)

    async def objects(self) -> Objects:
        """heroku3 for this app."""
        if self._objects is None:
            app = await self.api.get(self.path)
            self._objects = Objects(self.api.access, app["id"], app["name"])
        return self._objects

    async def newest(self) -> int:
        """The version that dynos must have: of the release we made, else of the newest."""
        if self.version is None:
            self.version = int((await latest_release(self.api, self.path))["version"])
        return self.version


def patience(looks: int) -> float:
    """Seconds to wait after so many looks."""
    wait = min(MOST, FIRST * GROWTH ** min(looks, 50))
    return float(wait * random.uniform(0.85, 1.15))  # noqa: S311  jitter
