"""The gate after a switch, on the host itself: its own nginx must answer well, as the release that was switched to."""

from __future__ import annotations

from chatops.goals import Gate
from chatops.limits import LIMITS
from chatops.program import ShellStep
from chatops.shell import words
from chatops.targets.vps.provision.machine import PRIVATE_PORT, Machine


def through(machine: Machine, gate: Gate) -> ShellStep:
    """A step of the app's user. Where TLS ends elsewhere, or on this host, loopback is believed without a certificate."""
    public = machine.alone or "balancer" in machine.roles
    local = machine.alone or "app" not in machine.roles
    scheme, port = ("https", 443) if public and machine.block.tls else ("http", 80)
    place = f"{scheme}://127.0.0.1:{port}" if local else f"http://127.0.0.1:{PRIVATE_PORT}"
    host = machine.block.domain or "localhost"
    arguments = words(
        machine.scripts / "through.cjs", place + machine.app.health, host, gate.release or "-", gate.answers, LIMITS.answer
    )
    return ShellStep(
        name="through", title="gate: nginx answers with the new release", action=f'"$node" {arguments}', limit=30, proves=True
    )
