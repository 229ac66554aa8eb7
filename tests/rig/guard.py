"""The process that owns our dockerd: waits until no session uses it any more, however they ended, then ends it."""

import signal
import subprocess
import sys
import threading

from tests.rig.cache import hold
from tests.rig.engine import LABEL, NETWORK, Engine, dockerd, log, own_socket

STOP_SECONDS = 30


def main() -> int:
    """Run dockerd for as long as a session holds the lock `users`."""
    with log().open("wb") as output:
        daemon = subprocess.Popen(dockerd(), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    signal.signal(signal.SIGTERM, lambda *_: daemon.terminate())
    threading.Thread(target=_end_after_the_last_user, args=(daemon,), daemon=True).start()
    return daemon.wait()


def _end_after_the_last_user(daemon: subprocess.Popen[bytes]) -> None:
    """Keeps the lock while dockerd ends, so that a new session waits and then starts its own."""
    lock = hold("users", wait=True)
    engine = Engine(own_socket())
    left = engine.lines("ps", "--all", "--quiet", "--filter", f"label={LABEL}")
    if left:
        engine.docker("rm", "--force", "--volumes", *left, check=False)
    engine.docker("network", "rm", NETWORK, check=False)
    daemon.terminate()
    _wait(daemon)
    if lock:
        lock.close()


def _wait(daemon: subprocess.Popen[bytes]) -> None:
    try:
        daemon.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()


if __name__ == "__main__":
    sys.exit(main())
