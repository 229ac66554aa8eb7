"""Whether users' address says anything of a host, seen from here: names, ways through other hosts, what passes requests on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chatops.goals import Gate, Plan, Restart
from chatops.model import App, State
from chatops.probe import prober
from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.outside import unseen
from tests.test_execute import app

HERE, THERE = (HostAddress("web1", hostname=name) for name in ("127.0.0.1", "127.0.0.9"))


def why(host: HostAddress, domain: str | None, url: str = "http://127.0.0.9/health", release: str | None = None) -> str:
    return asyncio.run(unseen(Gate(url=url, release=release), domain, host))


def test_an_address_is_asked_unless_a_jump_leads_there() -> None:
    assert why(THERE, None) == ""
    behind = HostAddress("web1", hostname="127.0.0.9", proxy="ssh -W '[127.0.0.9]:22' ssh://jump")
    assert why(behind, None) == "`web1` is reached through another host, and http://127.0.0.9/health can't be asked from here"


def test_a_domain_has_to_lead_to_the_host() -> None:
    assert why(HERE, "localhost") == ""
    assert why(HERE, "no-such-name.invalid") == "no-such-name.invalid does not resolve from here"
    assert why(THERE, "localhost").startswith("localhost leads to ")
    assert why(THERE, "localhost").endswith(", not to 127.0.0.9")
    assert why(HERE, f"{'a' * 64}.example") == f"{'a' * 64}.example does not resolve from here"


@pytest.mark.parametrize(("release", "seen"), [("new", True), ("old", False), (None, False)])
def test_a_domain_may_lead_to_what_passes_requests_on(release: str | None, seen: bool) -> None:
    with app("new") as url:
        assert (why(THERE, "localhost", url, release) == "") is seen


def test_nobody_probes_what_can_not_be_asked() -> None:
    state = State(target="vps", kind="vps", url="http://10.0.0.5", unseen="`web1` is reached through another host")
    assert prober(state, App("chat", Path("app")), Plan(Restart())) is None
