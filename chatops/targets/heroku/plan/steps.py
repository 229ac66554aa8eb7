"""Every step that may be done on Heroku; frozen data. What only looks at an app does not import this file."""

from __future__ import annotations

from collections.abc import Mapping

from chatops.frozen import frozen
from chatops.goals import Step
from chatops.model import Generate, Release
from chatops.redact import Secret
from chatops.targets.heroku.plan.state import Formation


@frozen(kw_only=True)
class Claim(Step):
    """Looks once more that no build or release phase is running; raises Locked where one is."""


@frozen(kw_only=True)
class CreateApp(Step):
    """Makes the app and marks it as ours; `stack` None asks the API for its default."""

    region: str
    stack: str | None
    config: Mapping[str, str]


@frozen(kw_only=True)
class SetStack(Step):
    """The stack that the next build uses."""

    stack: str


@frozen(kw_only=True)
class EnableFeature(Step):
    """One feature of the app (labs included)."""

    feature: str


@frozen(kw_only=True)
class SetBuildpacks(Step):
    """All buildpacks, in order, as URLs or registry names."""

    buildpacks: tuple[str, ...]


@frozen(kw_only=True)
class AddAddon(Step):
    """Makes an add-on, or moves one of the same service to `plan`, and waits until it is provisioned."""

    plan: str
    replaces: str | None = None


@frozen(kw_only=True)
class AddDrain(Step):
    """Sends the log to a URL, which may carry a credential."""

    url: Secret


@frozen(kw_only=True)
class SetConfig(Step):
    """The difference of the config vars, sent as one PATCH; None takes one away."""

    changes: Mapping[str, Secret | Generate | None]


@frozen(kw_only=True)
class Build(Step):
    """Uploads the source, builds it and follows the output."""

    source: Release


@frozen(kw_only=True)
class JoinBuild(Step):
    """Follows a build that is running already, from the first line of its output."""

    build: str


@frozen(kw_only=True)
class AwaitRelease(Step):
    """Waits for the release phase of the newest release."""


@frozen(kw_only=True)
class SetFormation(Step):
    """Quantity and size for each process type."""

    formation: Mapping[str, Formation]


@frozen(kw_only=True)
class AwaitDynos(Step):
    """Waits until as many dynos as wanted are up on the newest release."""

    formation: Mapping[str, Formation]


@frozen(kw_only=True)
class CheckHealth(Step):
    """The public health address answers for the newest release within `seconds`."""

    path: str
    seconds: float


@frozen(kw_only=True)
class AddDomain(Step):
    """One host name; its DNS target is told."""

    hostname: str


@frozen(kw_only=True)
class EnableCertificates(Step):
    """Automated Certificate Management for the app's own domains."""


@frozen(kw_only=True)
class ReturnTo(Step):
    """A new release with the slug and the config vars of an old one."""

    release: str
    uuid: str


@frozen(kw_only=True)
class RestartDyno(Step):
    """Replaces one dyno and waits until the new one is up."""

    dyno: str


@frozen(kw_only=True)
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
