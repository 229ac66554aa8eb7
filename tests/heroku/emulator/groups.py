"""Process groups: what a dyno or a build step started ends with it."""

import os
import signal


def send(pid: int, sign: signal.Signals) -> None:
    """Sends a signal to all of a group; nobody there is no fault."""
    try:
        os.killpg(pid, sign)
    except ProcessLookupError:
        return
