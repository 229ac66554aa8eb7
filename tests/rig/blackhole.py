"""Addresses where nothing ever answers."""

import contextlib
import socket
from collections.abc import Iterator

Place = tuple[str, int]


@contextlib.contextmanager
def silent(address: str = "127.0.0.1", port: int = 0) -> Iterator[Place]:
    """A port that accepts every connection and never says a word."""
    with socket.create_server((address, port), backlog=512) as server:
        yield server.getsockname()[:2]


@contextlib.contextmanager
def unreachable(address: str = "127.0.0.1", port: int = 0) -> Iterator[Place]:
    """A port where connecting itself never ends, as behind a firewall that drops: its queue of connections is full."""
    with socket.create_server((address, port), backlog=0) as server, contextlib.ExitStack() as stack:
        place = server.getsockname()[:2]
        while _connects(place, stack):
            pass
        yield place


def _connects(place: Place, stack: contextlib.ExitStack) -> bool:
    filler = stack.enter_context(socket.socket())
    filler.settimeout(0.2)
    return not isinstance(_error(filler, place), TimeoutError)


def _error(filler: socket.socket, place: Place) -> OSError | None:
    try:
        filler.connect(place)
    except OSError as error:
        return error
    return None
