"""What a Heroku target has; frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from chatops.frozen import frozen
from chatops.model import State
from chatops.redact import Secret

MARK = "CHATOPS_APP"
"""The config var by which we know an app as ours; its value is the app's name in the file."""
NAMES = "CHATOPS_ENV"
"""The config var that lists the plain and secret names we set, so that one dropped from the file can be taken away."""


@frozen
class AppFacts:
    """The app itself. `ours`: it carries our mark. `generation` is `cedar` or `fir`."""

    id: str
    name: str
    region: str
    stack: str
    owner: str
    ours: bool
    acm: bool = False
    maintenance: bool = False
    generation: str = "cedar"


@frozen
class Formation:
    """The dynos of one process type as they run; the size in lower case."""

    quantity: int
    size: str


@frozen(kw_only=True)
class HerokuState(State):
    """A State with Heroku's facts. `source` is the version of the source that serves; `uuids` by release name (`v12`).

    `left_building`: we were stopped while a build of ours went on.
    """

    app: AppFacts | None = None
    config: Mapping[str, Secret] = field(default_factory=dict)
    source: str | None = None
    uuids: Mapping[str, str] = field(default_factory=dict)
    latest: int = 0
    formation: Mapping[str, Formation] = field(default_factory=dict)
    addons: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()
    buildpacks: tuple[str, ...] = ()
    domains: frozenset[str] = frozenset()
    drains: frozenset[str] = frozenset()
    boot_seconds: float | None = None
    left_building: bool = False
