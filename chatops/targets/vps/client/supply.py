"""Small errands on hosts around a plan: what they can't fetch, secrets for their neighbours, the history, one-off commands."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from chatops.errors import ConfigError, StepFailed, TargetError
from chatops.goals import Phase
from chatops.limits import LIMITS
from chatops.shell import words
from chatops.targets.vps.client import mirror
from chatops.targets.vps.client.reach import Reach
from chatops.targets.vps.config import Block
from chatops.targets.vps.facts import Member
from chatops.targets.vps.plan import Fleet, provided_secrets
from chatops.targets.vps.provision import firewall, stores
from chatops.targets.vps.provision.machine import Machine, RootStep

Reaches = Mapping[str, Reach]
Shipped = Mapping[str, tuple[Member, ...]]


async def for_provision(reaches: Reaches, fleet: Fleet, phase: Phase, folder: Path) -> Shipped:
    """Node.js for hosts that can't reach the mirror; the certificates of a private authority."""
    shipped: dict[str, tuple[Member, ...]] = {}
    for step in phase.steps:
        if isinstance(step, RootStep):
            machine = fleet.machines[step.host]
            if step.name == "node" and not await _reaches_mirror(reaches[step.host], machine):
                archive = (await mirror.fetch(machine.block.node_mirror, machine.node)).read_bytes()
                member = Member(machine.store / "incoming" / machine.node.archive, archive)
                shipped[step.host] = (*shipped.get(step.host, ()), member)
            if step.name == "certificate" and (bundle := authority(machine.block, folder)):
                member = Member(machine.store / "incoming" / "authority.pem", bundle.read_bytes())
                shipped[step.host] = (*shipped.get(step.host, ()), member)
    return shipped


def authority(block: Block, folder: Path) -> Path | None:
    """The certificates of a private authority. Raises ConfigError where the file holds none."""
    if not block.tls or not block.tls.ca_bundle:
        return None
    path = folder / Path(block.tls.ca_bundle).expanduser()
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # an SSLError is one
        reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"`{path}` can't be used: {reason}", "`tls.ca_bundle` names it") from None
    return path


async def _reaches_mirror(reach: Reach, machine: Machine) -> bool:
    """A host without curl gets it before it has to fetch anything."""
    url = f"{machine.block.node_mirror.rstrip('/')}/v{machine.node.version}/{machine.node.archive}"
    ask = words("curl", "-fsSIL", "--max-time", "8", "-o", "/dev/null", url)
    answer = await (await reach.link()).script(f"command -v curl >/dev/null || exit 0\n{ask}")
    return answer.code == 0


async def secrets(reaches: Reaches, fleet: Fleet) -> Shipped:
    """The URLs of the stores go from the data host to the app hosts through our memory, and nowhere else."""
    data = next((machine for machine in fleet.machines.values() if "data" in machine.roles), None)
    names = tuple(provided_secrets(data)) if data else ()
    if data is None or not names:
        return {}
    owner = data.name if "app" in data.roles else "root"
    contents = await _contents(reaches[data.host.address], [stores.secrets(data) / name for name in names], owner)
    apps = [machine for machine in fleet.machines.values() if "app" in machine.roles and machine is not data]
    return {
        machine.host.address: tuple(
            Member(machine.layout.secrets / name, content) for name, content in zip(names, contents, strict=True)
        )
        for machine in apps
    }


async def _contents(reach: Reach, paths: Sequence[PurePosixPath], owner: str) -> list[bytes]:
    """Files of one line each, in one round trip, as the user whose folder they lie in."""
    text = f'set -e\nfor file in {words(*paths)}; do cat -- "$file"; echo; done'
    answer = await (await reach.link()).script(text, user=owner)
    found = answer.out.split()
    if answer.code or len(found) != len(paths):
        raise TargetError(f"`{reach.host.address}` lacks {paths[-1].name}", "run the same command again")
    return found


async def note(reaches: Reaches, fleet: Fleet, line: str) -> None:
    """Adds a line to the history of every app host that can be reached; its keeping is no reason to fail."""

    async def one(machine: Machine) -> None:
        path = words(machine.layout.state / "history.ndjson")
        with suppress(TargetError):
            link = await reaches[machine.host.address].link()
            await link.script(f"cat >>{path}", stdin=f"{line}\n".encode(), user=machine.name)

    await asyncio.gather(*(one(machine) for machine in fleet.machines.values() if "app" in machine.roles))


async def forget(reaches: Reaches, fleet: Fleet) -> None:
    """Removes root's own folder for the app, the last thing of ours."""

    async def one(machine: Machine) -> None:
        folder = words(machine.store)
        await (await reaches[machine.host.address].link()).script(
            f"rm -rf -- {folder}\nrmdir {words(machine.store.parent)} 2>/dev/null || :", user="root"
        )

    await asyncio.gather(*(one(machine) for machine in fleet.machines.values()), return_exceptions=True)


async def confirm(reaches: Sequence[Reach], fleet: Fleet) -> None:
    """Over new connections: we can still come in, so the firewalls may stay. Raises StepFailed where we can't."""
    for reach in reaches:
        address = reach.host.address
        try:
            link = await reach.link()
            answer = await link.script(firewall.confirmed(fleet.machines[address]), user="root")
        except TargetError as error:
            raise StepFailed(
                f"the firewall of `{address}` shut us out ({error.message}); {await _reopened(reach)}",
                "`ufw show added` there names its rules; `firewall: false` leaves it alone",
            ) from None
        finally:
            await reach.close()
        if answer.code:
            raise StepFailed(f"the firewall of `{address}` is not up", "run the same command again")


async def _reopened(reach: Reach) -> str:
    """Waits until the host takes its firewall away by itself; what became of it."""
    end = time.monotonic() + firewall.DEAD_MAN + LIMITS.connect
    while time.monotonic() < end:
        with suppress(TargetError):
            await reach.link()
            return "it went away again by itself, and all is as before"
        await asyncio.sleep(1)
    return f"it should have gone away by itself after {firewall.DEAD_MAN} s, and has not"
