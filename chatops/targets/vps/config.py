"""The block of a VPS target in the file."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from chatops.wants import Checked, Hinted, Wants, block

Role = Literal["balancer", "app", "data"]
ROLES: tuple[Role, ...] = ("balancer", "app", "data")


def _url(*schemes: str) -> Checked:
    def check(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)} is needed")
        return text

    return Checked(check)


def _store(*schemes: str) -> Checked:
    def check(text: str) -> str:
        if text in {"managed", "none"}:
            return text
        if urlsplit(text).scheme not in schemes or not urlsplit(text).hostname:
            raise ValueError(f"`managed`, `none`, or a URL that begins with {schemes[0]}://")
        return text

    return Checked(check)


def _is_ip(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not (isinstance(address, IPv6Address) and address.scope_id)


Address = Annotated[str, Wants(pattern=r"^[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,252}$")]
Login = Annotated[str, Wants(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.$@-]{0,63}$")]
Fingerprint = Annotated[str, Wants(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]
Hostname = Annotated[str, Wants(pattern=r"^([A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}$", to_lower=True)]
Email = Annotated[str, Wants(pattern=r"^[^\s@]+@[^\s@]+$")]
NodeVersion = Annotated[str, Wants(pattern=r"^\d{2}(\.\d+\.\d+)?$")]
Https = Annotated[str, _url("https")]
Mirror = Annotated[str, _url("https", "http")]
Redis = Annotated[str, _store("redis", "rediss")]
Database = Annotated[str, _store("postgres", "postgresql")]


@block
class Host:
    """A host and what it does. What is left out of how to log in is as `ssh` has it; `private`: its address for the others."""

    address: Address
    host_key: Fingerprint | tuple[Fingerprint, ...] = ()
    user: Login | None = None
    port: Annotated[int, Wants(ge=1, le=65535)] | None = None
    identity: str | None = None
    roles: tuple[Role, ...] = ()
    private: Address | None = None

    @property
    def pins(self) -> tuple[str, ...]:
        """The fingerprints that the host may show; empty: what known_hosts says."""
        return (self.host_key,) if isinstance(self.host_key, str) else self.host_key


@block
class Tls:
    """Certificates from an ACME authority; `ca_bundle`: whom to believe when it is not a public one."""

    email: Email
    acme_directory: Https | None = None
    ca_bundle: str | None = None


@block
class Block:
    """The app on servers of one's own."""

    hosts: Annotated[tuple[Host, ...], Wants(min_length=1, max_length=100)]
    domain: Hostname | None = None
    tls: Tls | None = None
    workers: Annotated[int, Wants(ge=1, le=64)] = 2
    node: NodeVersion = "24"
    node_mirror: Mirror = "https://nodejs.org/dist"
    redis: Redis = "managed"
    database: Database = "managed"
    firewall: bool = True
    keep: Annotated[int, Wants(ge=2, le=100)] = 5

    def __post_init__(self) -> None:
        if self.tls and not self.domain:
            raise ValueError("`tls` needs a `domain`: certificates are made out to a name")
        addresses = [host.address for host in self.hosts]
        if len(set(addresses)) < len(addresses):
            raise ValueError("an address is there twice under `hosts`")
        if len(self.hosts) > 1:
            self._fits_together()

    def _fits_together(self) -> None:
        if any(not host.roles for host in self.hosts):
            raise ValueError("with several hosts each needs its `roles`: balancer, app, data")
        count = {role: sum(role in host.roles for host in self.hosts) for role in ROLES}
        managed = "managed" in {self.redis, self.database}
        if count["balancer"] != 1 or not count["app"] or count["data"] > 1 or (managed and count["data"] != 1):
            raise ValueError("there must be one balancer, one app host or more, and one data host where a store is `managed`")
        for host in self.hosts:
            if not _is_ip(inner := host.private or host.address):
                message = f"`{inner}` is no plain IP address: firewalls and databases of the other hosts let in nothing else"
                raise Hinted(message, "its IP address, as the other hosts see it, goes under `private`")
        if not self.firewall:
            raise ValueError("several hosts need `firewall: true`: it keeps what is between them from everybody else")

    @property
    def places(self) -> Mapping[str, tuple[str | int, ...]]:
        """What no other target of the file may have, and where in the block it stands: an app is on a host once."""
        return {host.address: ("hosts", number, "address") for number, host in enumerate(self.hosts)}

    def roles(self, host: Host) -> tuple[Role, ...]:
        """What a host does; a single one does everything."""
        return host.roles if len(self.hosts) > 1 else ROLES
