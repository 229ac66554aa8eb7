"""The machines of a target, made from its block and from what was seen on the hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from chatops.model import App, KeptRelease
from chatops.pm2 import Layout
from chatops.targets.vps import bundle
from chatops.targets.vps.config import Block, Host, Role
from chatops.targets.vps.facts import HostFacts, Questions
from chatops.targets.vps.plan import Fleet
from chatops.targets.vps.provision import firewall, packages, site
from chatops.targets.vps.provision.due import units
from chatops.targets.vps.provision.machine import Machine, Node, Peers
from chatops.whoami import who

LAST_SCRIPT = "through.cjs"
"""Scripts arrive in the order of their names: where this one is, all are."""


def fleet(
    app: App, block: Block, nodes: Mapping[str, Node], hosts: Mapping[str, HostFacts] | None = None, hostname: str = ""
) -> Fleet:
    """Every machine; one without a known Node gets the version that the block names. `hosts`: what was seen there.

    `hostname`: the balancer's, where its address is a name of the operator's own.
    """
    given = {host.address: nodes.get(host.address, Node(block.node)) for host in block.hosts}
    machines = {host.address: _machine(app, block, host, given[host.address]) for host in block.hosts}
    for address, facts in (hosts or {}).items():
        equipped = machines[address].scripts / LAST_SCRIPT in facts.markers
        machines[address] = replace(machines[address], equipped=equipped)
    return Fleet(machines, url(block, hostname), who())


def balancer(block: Block) -> Host:
    """The host that users meet."""
    return next(host for host in block.hosts if "balancer" in block.roles(host))


def url(block: Block, hostname: str = "") -> str:
    """Where users find the app."""
    if block.domain:
        return f"{'https' if block.tls else 'http'}://{block.domain}"
    address = hostname or balancer(block).address
    return f"http://[{address}]" if ":" in address else f"http://{address}"


def _machine(app: App, block: Block, host: Host, node: Node) -> Machine:
    layout = Layout(PurePosixPath("/srv") / app.name)
    major = node.version.partition(".")[0]
    pm2 = layout.root / "tools" / f"pm2-{bundle.digest(*bundle.LOCK)}-node{major}"
    return Machine(
        app=app,
        block=block,
        host=host,
        roles=block.roles(host),
        layout=layout,
        workers=block.workers,
        node=node,
        scripts=layout.root / "scripts" / bundle.digest(),
        pm2=pm2,
        peers=_peers(block),
    )


def _peers(block: Block) -> Peers:
    if len(block.hosts) == 1:
        return Peers()

    def of(role: Role) -> tuple[str, ...]:
        return tuple(host.private or host.address for host in block.hosts if role in host.roles)

    return Peers(balancer="".join(of("balancer")), apps=of("app"), data="".join(of("data")))


def questions(machine: Machine, *, closely: bool = False) -> Questions:
    """What has to be known of a host; `closely`: with what the app tells there of itself."""
    return Questions(
        app=machine.name,
        layout=machine.layout,
        pm2=machine.pm2,
        runtimes=machine.layout.root / "runtime",
        stamps=machine.stamps,
        lock=machine.lock,
        packages=packages.wanted(machine),
        units=tuple(units(machine)),
        markers=(site.path(machine), firewall.note(machine), machine.scripts / LAST_SCRIPT, machine.lock),
        certificate=site.certificates(machine) / "fullchain.pem" if machine.secure else None,
        health=machine.app.health if closely else "",
    )


def installed(wanted: str, facts: HostFacts) -> Node | None:
    """A Node that is on the host already and will do; of several the newest."""
    fitting = [version for version in facts.runtimes if version == wanted or version.startswith(f"{wanted}.")]
    newest = max(fitting, key=lambda version: [int(part) for part in version.split(".")], default=None)
    return Node(newest) if newest else None


def releases(apps: Sequence[HostFacts]) -> tuple[KeptRelease, ...]:
    """Those of every app host; `current` is what most hosts serve, of several the newest."""
    lives = [kept for facts in apps for kept in facts.there.releases if kept.state == "current"]
    ids = [kept.id for kept in lives]
    current = max(((ids.count(kept.id), kept.created or 0, kept.id) for kept in lives), default=(0, 0, None))[2]
    known = {kept.id: kept for facts in reversed(apps) for kept in facts.there.releases if kept.state != "current"}
    known |= {kept.id: kept for facts in apps for kept in facts.there.releases if kept.state == "current"}
    shown = (replace(kept, state="kept") if kept.state == "current" and kept.id != current else kept for kept in known.values())
    return tuple(sorted(shown, key=lambda kept: kept.created or 0, reverse=True))


def notices(apps: Sequence[HostFacts], unreachable: Mapping[str, str], current: str | None, astray: str = "") -> Iterator[str]:
    """What keeps the fleet from being whole; `astray`: why the domain does not lead there."""
    if current and astray:
        yield astray
    for address, reason in unreachable.items():
        yield f"{address} is out of reach: {reason}"
    for facts in apps:
        live = facts.there.facts(facts.there.live)
        if current and (live is None or live.run_set.release != current):
            yield f"{facts.host} serves {live.run_set.release if live else 'nothing'}: the next deploy brings it up to date"
