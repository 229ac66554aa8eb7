"""Links and dead ends, without hosts: delay, counts, cuts, freezes, silence, and what an impostor is offered."""

import contextlib
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.blackhole import silent, unreachable
from tests.rig.identity import operator_key
from tests.rig.impostor import Impostor
from tests.rig.link import Link

Echo = tuple[str, int]


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


@pytest.fixture
def echo() -> Iterator[Echo]:
    """A server that says what it hears."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield ("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture
def link(echo: Echo) -> Iterator[Link]:
    with Link(echo[0], {0: echo[1]}) as made:
        yield made


def _dial(link: Link) -> socket.socket:
    return socket.create_connection((link.address, link.port), 5)


def _read(client: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size and (part := client.recv(size - len(parts))):
        parts += part
    return bytes(parts)


def _ask(client: socket.socket, word: bytes = b"hello") -> bytes:
    client.sendall(word)
    return _read(client, len(word))


def test_a_link_passes_on_and_counts(link: Link) -> None:
    with _dial(link) as client:
        assert [_ask(client) for _ in range(3)] == [b"hello"] * 3
        traffic = link.traffic
        assert (traffic.connections, traffic.up, traffic.down, traffic.turns) == (1, 15, 15, 5)
        assert link.live == 1


def test_both_ways_are_late_and_connecting_costs_a_round_trip(link: Link) -> None:
    link.delayed(0.04)
    with _dial(link) as client:
        start = time.monotonic()
        _ask(client)
        first, start = time.monotonic() - start, time.monotonic()
        _ask(client)
        second = time.monotonic() - start
    assert 0.16 <= first < 1
    assert 0.08 <= second < first


def test_delay_does_not_limit_the_rate(link: Link) -> None:
    link.delayed(0.05)
    size = 8 << 20
    with _dial(link) as client:
        sender = threading.Thread(target=client.sendall, args=(bytes(size),))
        start = time.monotonic()
        sender.start()
        assert len(_read(client, size)) == size
        sender.join()
    assert time.monotonic() - start < 5


def test_the_end_of_one_way_is_passed_on(link: Link) -> None:
    with _dial(link) as client:
        client.sendall(b"bye")
        client.shutdown(socket.SHUT_WR)
        assert _read(client, 3) == b"bye"
        assert client.recv(1) == b""


def test_a_cut_resets_and_refuses_until_it_is_resumed(link: Link) -> None:
    with _dial(link) as client:
        _ask(client)
        link.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionResetError), _dial(link) as client:
        _ask(client)
    link.resume()
    with _dial(link) as client:
        assert _ask(client) == b"hello"


def test_a_freeze_is_silent_and_loses_nothing(link: Link) -> None:
    with _dial(link) as client:
        _ask(client)
        link.freeze()
        client.sendall(b"later")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        with _dial(link) as other:
            other.sendall(b"other")
            link.resume()
            client.settimeout(5)
            assert _read(client, 5) == b"later"
            assert _read(other, 5) == b"other"


def test_a_frozen_link_can_be_cut_and_closed(link: Link) -> None:
    with _dial(link) as client:
        _ask(client)
        link.freeze()
        link.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    link.freeze()


def test_a_server_that_is_gone_resets_the_client(echo: Echo) -> None:
    with unreachable() as (_, dead):
        pass
    with Link("127.0.0.1", {0: dead}) as link, pytest.raises(ConnectionResetError), _dial(link) as client:
        client.recv(1)


def test_a_black_hole_accepts_and_is_silent() -> None:
    with silent() as place, socket.create_connection(place, 5) as client:
        client.settimeout(0.3)
        client.sendall(b"anybody?")
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_an_unreachable_port_never_connects() -> None:
    with unreachable() as place, pytest.raises(TimeoutError):
        socket.create_connection(place, 0.5)


def test_an_impostor_tells_what_it_was_offered(stranger: Impostor, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    place = f"[{stranger.address}]:{stranger.port}"
    known.write_text(f"{place} {operator_key().with_suffix('.pub').read_text()}")
    assert _login(stranger, "yes", known).returncode == 255
    assert (stranger.connections, stranger.attempts) == (1, [])
    assert _login(stranger, "no", Path("/dev/null")).returncode == 255
    assert {method for _, method in stranger.attempts} >= {"none", "publickey"}
    assert {user for user, _ in stranger.attempts} == {"root"}


def _login(stranger: Impostor, strict: str, known: Path) -> subprocess.CompletedProcess[bytes]:
    options = [f"StrictHostKeyChecking={strict}", f"UserKnownHostsFile={known}", "BatchMode=yes", "IdentitiesOnly=yes"]
    given = [word for option in options for word in ("-o", option)]
    place = ["-i", str(operator_key()), "-p", str(stranger.port), f"root@{stranger.address}", "true"]
    return subprocess.run(["ssh", "-F", "none", *given, *place], capture_output=True, timeout=30)
