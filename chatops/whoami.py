"""The operator, as releases, locks and histories name them."""

from __future__ import annotations

import getpass
import os
from contextlib import suppress


def who() -> str:
    """`user@machine`; the user's number where it has no name."""
    with suppress(KeyError, OSError):
        return f"{getpass.getuser()}@{os.uname().nodename}"
    return f"{os.getuid()}@{os.uname().nodename}"
