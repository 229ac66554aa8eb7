"""The block of a Heroku target in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated
from urllib.parse import urlsplit

from chatops.wants import Checked, Wants, block

SINGLE = frozenset({"eco", "basic"})
"""Sizes that allow one dyno per process type and no Preboot (Dev Center, "Dyno tiers")."""
_DRAINS = ("https", "http", "syslog", "syslog+tls")


def _drain(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _DRAINS or not parts.hostname:
        raise ValueError(f"a drain is a URL that begins with one of {', '.join(scheme + '://' for scheme in _DRAINS)}")
    return url


Name = Annotated[str, Wants(pattern=r"^[a-z][a-z0-9-]{1,28}[a-z0-9]$")]
ProcessType = Annotated[str, Wants(pattern=r"^[-A-Za-z0-9_]{1,128}$")]
Size = Annotated[str, Wants(pattern=r"^[a-zA-Z][a-zA-Z0-9-]*$", to_lower=True)]
Plan = Annotated[str, Wants(pattern=r"^[a-zA-Z][A-Za-z0-9_-]*(:[A-Za-z0-9_-]+)?$")]
Hostname = Annotated[str, Wants(pattern=r"^(\*\.)?([a-zA-Z0-9-]{1,63}\.)+[a-zA-Z]{2,63}$", to_lower=True)]
Drain = Annotated[str, Checked(_drain)]


@block
class Dynos:
    """How many dynos of one process type, and their size."""

    quantity: Annotated[int, Wants(ge=0, le=100)] = 1
    size: Size = "basic"

    def __post_init__(self) -> None:
        if self.size in SINGLE and self.quantity > 1:
            raise ValueError(f"{self.size} allows one dyno per process type; several need standard-1x or larger")


@block
class Block:
    """The app `app` on Heroku; what the file does not name there is left alone."""

    app: Name
    region: str = "us"
    stack: str | None = None
    buildpacks: tuple[str, ...] = ()
    dynos: Mapping[ProcessType, Dynos] = field(default_factory=lambda: {"web": Dynos()})
    addons: tuple[Plan, ...] = ()
    domains: tuple[Hostname, ...] = ()
    drains: tuple[Drain, ...] = ()

    def __post_init__(self) -> None:
        sizes = {dynos.size for dynos in self.dynos.values()}
        if sizes & SINGLE and sizes - SINGLE:
            raise ValueError("dynos: Eco or Basic can't be mixed with Standard or larger in one app")
