"""Twenty deploys in a row to a real host under load: how many requests failed, how many messages were lost or doubled."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from benchmarks.load import under_load
from tests.e2e.yard import Yard, provisioned
from tests.rig.mirror import node_mirror
from tests.rig.rig import Rig


def main(deploys: int = 20) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as name, Rig.open() as rig, node_mirror(rig.engine.gateway()) as mirror:
        folder = Path(name)
        with rig.borrowed(provisioned(rig, mirror, folder)) as host:
            (place := folder / "yard").mkdir()
            yard = Yard(place, [host], mirror)
            yard.served()
            yard.deploy()
            url = f"http://{host.address}:{host.ports[80]}"
            under_load("deploy_load", f"{deploys} deploys under load (vps target)", url, _change(yard), deploys)


def _change(yard: Yard) -> Callable[[], object]:
    numbers = count(1)

    def change() -> None:
        yard.change(f"change {next(numbers)}")
        yard.chatops("-q", "deploy", "vps", "--yes")

    return change


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
