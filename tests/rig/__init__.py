"""Real Debian hosts, slow and broken links, a certificate authority and an impostor, for the end-to-end tests."""

from tests.rig.engine import Engine
from tests.rig.host import Host, Result
from tests.rig.link import Link
from tests.rig.process import RigError
from tests.rig.rig import Rig
from tests.rig.wire import Traffic

__all__ = ["Engine", "Host", "Link", "Result", "Rig", "RigError", "Traffic"]
