"""What the platform keeps: apps with their releases, builds, dynos, add-ons, domains, drains."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.heroku.emulator import catalog
from tests.heroku.emulator.clock import stamp

if TYPE_CHECKING:
    from tests.heroku.emulator.addons import Server
    from tests.heroku.emulator.dyno import Dyno
    from tests.heroku.emulator.logplex import Channel
    from tests.heroku.emulator.streams import Output


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass(kw_only=True, eq=False)
class Record:
    """What every kept thing has."""

    id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=stamp)
    updated_at: str = field(default_factory=stamp)

    def touch(self) -> None:
        self.updated_at = stamp()


@dataclass(kw_only=True, eq=False)
class Account(Record):
    """Whose token it is; tests turn it unverified, suspended, or without rights."""

    email: str = "dev@example.com"
    verified: bool = True
    suspended: bool = False
    delinquent: bool = False


@dataclass(kw_only=True, eq=False)
class Slug(Record):
    """A compiled app: a folder that dynos start from a copy of."""

    folder: Path
    process_types: dict[str, str]
    commit: str | None
    checksum: str | None
    size: int
    stack: str


@dataclass(kw_only=True, eq=False)
class Release(Record):
    """One numbered state of an app: slug and config vars together."""

    version: int
    description: str
    config: dict[str, str]
    slug: Slug | None = None
    plans: list[str] = field(default_factory=list)
    status: str = "succeeded"
    output: Output | None = None


@dataclass(kw_only=True, eq=False)
class Build(Record):
    """One compilation of a source archive."""

    source: dict[str, str | None]
    stack: str
    output: Output
    buildpacks: list[str] = field(default_factory=list)
    status: str = "pending"
    slug: Slug | None = None
    release: Release | None = None
    work: asyncio.Task[None] | None = None


@dataclass(kw_only=True, eq=False)
class Formation(Record):
    """How many dynos of one process type, and how big."""

    type: str
    command: str
    size: catalog.Size
    quantity: int = 0


@dataclass(kw_only=True, eq=False)
class AddOn(Record):
    """A provisioned (or not yet) add-on and the real server behind it, if there is one."""

    name: str
    plan: str
    attachment: str
    state: str = "provisioning"
    config: dict[str, str] = field(default_factory=dict)
    message: str = ""
    server: Server | None = None
    attachment_id: str = field(default_factory=new_id)

    @property
    def service(self) -> str:
        return self.plan.split(":")[0]


@dataclass(kw_only=True, eq=False)
class Domain(Record):
    """A host name; the certificate states are what ACM would report."""

    hostname: str
    kind: str = "custom"
    cname: str | None = None
    status: str = "pending"
    acm_status: str | None = None
    acm_reason: str | None = None
    endpoint: str | None = None


@dataclass(kw_only=True, eq=False)
class Drain(Record):
    """Where log lines are posted to."""

    url: str
    token: str = field(default_factory=lambda: f"d.{uuid.uuid4()}")
    work: asyncio.Task[None] | None = None


@dataclass(kw_only=True, eq=False)
class App(Record):
    """One app and everything in it."""

    name: str
    region: str
    stack: str
    log: Channel
    build_stack: str = ""
    number: int = field(default_factory=lambda: secrets.randbelow(10**9))
    suffix: str = field(default_factory=lambda: secrets.token_hex(6))
    port: int = 0
    maintenance: bool = False
    acm: bool = False
    released_at: str | None = None
    current: Release | None = None
    config: dict[str, str] = field(default_factory=dict)
    releases: list[Release] = field(default_factory=list)
    builds: list[Build] = field(default_factory=list)
    slugs: list[Slug] = field(default_factory=list)
    formation: dict[str, Formation] = field(default_factory=dict)
    dynos: dict[str, Dyno] = field(default_factory=dict)
    addons: list[AddOn] = field(default_factory=list)
    domains: list[Domain] = field(default_factory=list)
    drains: list[Drain] = field(default_factory=list)
    features: dict[str, str] = field(default_factory=dict)
    buildpacks: list[str] = field(default_factory=list)
    building: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def host(self) -> str:
        """The default domain, with the random suffix it has had since 2023."""
        return f"{self.name}-{self.suffix}.herokuapp.com"

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def dyno_list(self) -> list[dict[str, Any]]:
        return [dyno.answer() for dyno in self.dynos.values()]
