"""What a Heroku target has, and every step that may be done there; frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chatops.model import Generate, Release, State, Step
from chatops.redact import Secret

MARK = "CHATOPS_APP"
"""The config var by which we know an app as ours; its value is the app's name in the file."""
NAMES = "CHATOPS_ENV"
"""The config var that lists the plain and secret names we set, so that one dropped from the file can be taken away."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Formation:
    """The dynos of one process type as they run; the size in lower case."""

    quantity: int
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Step):
    """Looks once more that no build or release phase is running; raises Locked where one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateApp(Step):
    """Makes the app and marks it as ours; `stack` None asks the API for its default."""

    region: str
    stack: str | None
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStack(Step):
    """The stack that the next build uses."""

    stack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableFeature(Step):
    """One feature of the app (labs included)."""

    feature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBuildpacks(Step):
    """All buildpacks, in order, as URLs or registry names."""

    buildpacks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAddon(Step):
    """Makes an add-on, or moves one of the same service to `plan`, and waits until it is provisioned."""

    plan: str
    replaces: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDrain(Step):
    """Sends the log to a URL, which may carry a credential."""

    url: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConfig(Step):
    """The difference of the config vars, sent as one PATCH; None takes one away."""

    changes: Mapping[str, Secret | Generate | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build(Step):
    """Uploads the source, builds it and follows the output."""

    source: Release


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinBuild(Step):
    """Follows a build that is running already, from the first line of its output."""

    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitRelease(Step):
    """Waits for the release phase of the newest release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFormation(Step):
    """Quantity and size for each process type."""

    formation: Mapping[str, Formation]


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitDynos(Step):
    """Waits until as many dynos as wanted are up on the newest release."""

    formation: Mapping[str, Formation]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHealth(Step):
    """The public health address answers for the newest release within `seconds`."""

    path: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDomain(Step):
    """One host name; its DNS target is told."""

    hostname: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableCertificates(Step):
    """Automated Certificate Management for the app's own domains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnTo(Step):
    """A new release with the slug and the config vars of an old one."""

    release: str
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartDyno(Step):
    """Replaces one dyno and waits until the new one is up."""

    dyno: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteApp(Step):
    """Takes the app away, with its add-ons and what they hold."""


HerokuStep = (
    Claim
    | CreateApp
    | SetStack
    | EnableFeature
    | SetBuildpacks
    | AddAddon
    | AddDrain
    | SetConfig
    | Build
    | JoinBuild
    | AwaitRelease
    | SetFormation
    | AwaitDynos
    | CheckHealth
    | AddDomain
    | EnableCertificates
    | ReturnTo
    | RestartDyno
    | DeleteApp
)
