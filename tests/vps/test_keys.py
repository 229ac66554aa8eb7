"""Host keys: pins, known_hosts, what was accepted, and an impostor that must see no attempt to log in."""

import asyncio
import os
import pty
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops.errors import TargetError
from chatops.targets.vps.client import keys
from chatops.targets.vps.client.address import HostAddress, resolve
from chatops.targets.vps.client.link import Link
from tests.needs import need
from tests.rig.identity import HostKey, host_keys
from tests.rig.impostor import Impostor
from tests.vps.sshd import Sshd

pytestmark = pytest.mark.timeout(60)


def open_and_close(host: HostAddress, folder: Path, ask: keys.Ask | None = None) -> None:
    async def go() -> None:
        link = await Link.open(host, ask, folder)
        await link.close()

    asyncio.run(go())


def unpinned(host: HostAddress, *known_hosts: Path) -> HostAddress:
    """As `resolve` leaves it, with these files for what is known."""
    found = asyncio.run(resolve(host))
    return replace(found, host_key=(), known_hosts=known_hosts)


async def yes(question: str) -> bool:
    return True


async def no(question: str) -> bool:
    return False


def entry(server: Sshd, key: HostKey) -> str:
    return f"[127.0.0.1]:{server.port} {key.public}\n"


@pytest.mark.parametrize("number", range(3))
def test_each_of_a_hosts_keys_can_be_pinned(server: Sshd, tmp_path: Path, number: int) -> None:
    if number < len(server.keys):
        open_and_close(replace(server.host, host_key=(server.keys[number].fingerprint,)), tmp_path)


def test_one_of_several_pins_is_enough(server: Sshd, tmp_path: Path) -> None:
    other = host_keys()[0].fingerprint
    open_and_close(replace(server.host, host_key=(other, server.keys[0].fingerprint)), tmp_path)


def test_an_impostor_gets_no_attempt_to_log_in(stranger: Impostor, server: Sshd, tmp_path: Path) -> None:
    there = replace(server.host, address=stranger.address, port=stranger.port)
    with pytest.raises(TargetError) as caught:
        open_and_close(there, tmp_path, yes)
    assert caught.value.exit_code == 3
    assert stranger.host_key in caught.value.message
    assert server.keys[0].fingerprint in caught.value.message
    assert stranger.connections > 0
    assert stranger.attempts == []


def test_a_changed_key_is_refused_without_a_question(stranger: Impostor, server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "user_known_hosts"
    known.write_text(f"[{stranger.address}]:{stranger.port} {server.keys[0].public}\n")
    there = unpinned(replace(server.host, address=stranger.address, port=stranger.port), known)
    with pytest.raises(TargetError, match="expected SHA256:") as caught:
        open_and_close(there, tmp_path, yes)
    assert stranger.host_key in caught.value.message
    assert server.keys[0].fingerprint in caught.value.message
    assert stranger.attempts == []


@pytest.mark.parametrize("hashed", [False, True])
def test_a_known_host_needs_no_pin(server: Sshd, tmp_path: Path, hashed: bool) -> None:
    known = tmp_path / "user_known_hosts"
    broken = "not a line\n@cert-authority *.example.com ssh-ed25519 AAAA\n@revoked other ssh-rsa AAAA\nx ssh-ed25519 !!!\n"
    known.write_text(broken + entry(server, server.keys[-1]))
    if hashed:
        subprocess.run([need("ssh-keygen", "openssh-client"), "-H", "-f", known], check=False, capture_output=True, timeout=10)
    open_and_close(unpinned(server.host, tmp_path / "none", known), tmp_path)


def test_a_wildcard_counts_and_its_negation_too(server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "user_known_hosts"
    known.write_text(f"[127.0.0.*]:{server.port} {server.keys[0].public}\n")
    open_and_close(unpinned(server.host, known), tmp_path)
    known.write_text(f"![127.0.0.1]:{server.port},[127.0.0.*]:{server.port} {server.keys[0].public}\n")
    with pytest.raises(TargetError, match="nothing is known"):
        open_and_close(unpinned(server.host, known), tmp_path)


def test_a_revoked_key_is_refused(server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "user_known_hosts"
    lines = [entry(server, server.keys[0]), f"@revoked {entry(server, server.keys[0])}"]
    known.write_text("".join(lines))
    with pytest.raises(TargetError, match="revoked"):
        open_and_close(unpinned(server.host, known), tmp_path, yes)


def test_an_unknown_host_is_refused_without_a_terminal(server: Sshd, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="nothing is known of this host") as caught:
        open_and_close(unpinned(server.host), tmp_path)
    assert server.keys[0].fingerprint in caught.value.message
    with pytest.raises(TargetError, match="nothing is known"):
        open_and_close(unpinned(server.host), tmp_path, no)
    assert list(tmp_path.iterdir()) == []


def test_what_was_accepted_once_is_known(server: Sshd, stranger: Impostor, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    open_and_close(unpinned(server.host), folder, yes)
    assert stat.S_IMODE((folder / "known_hosts").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    open_and_close(unpinned(server.host), folder)
    moved = (folder / "known_hosts").read_text().replace(str(server.port), str(stranger.port))
    (folder / "known_hosts").write_text(moved)
    with pytest.raises(TargetError, match="expected SHA256:"):
        open_and_close(unpinned(replace(server.host, port=stranger.port)), folder, yes)
    assert stranger.attempts == []


ASKING = """
import asyncio, sys
from pathlib import Path
from chatops.errors import TargetError
from chatops.targets.vps.client import keys
from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.link import Link
async def main():
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    host = HostAddress("127.0.0.1", "root", port, hostname="127.0.0.1", identities=(Path(sys.argv[3]),), agent=False)
    await (await Link.open(host, keys.on_terminal(), folder)).close()
    print("connected")
try:
    asyncio.run(main())
except TargetError as error:
    print("refused", error)
"""


@pytest.mark.parametrize(("answer", "end"), [(b"yes\n", "connected"), (b"no\n", "refused"), (b"\n", "refused")])
def test_the_operator_is_asked_on_the_terminal(server: Sshd, tmp_path: Path, answer: bytes, end: str) -> None:
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-c", ASKING, str(server.port), str(tmp_path / "state"), str(server.identity)]
    process = subprocess.Popen(argv, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"[yes/no]" not in shown:
        shown += os.read(ours, 4096)
    assert server.keys[0].fingerprint.encode() in shown
    os.write(ours, answer)
    out, _ = process.communicate(timeout=20)
    os.close(ours)
    assert out.decode().startswith(end)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=5), max_size=8))
def test_no_line_of_known_hosts_breaks_the_reader(lines: list[list[str]]) -> None:
    for marker in ("", "@revoked"):
        for key in keys._keys(lines, marker):
            assert key.fingerprint.startswith("SHA256:") or key.fingerprint == "no key"


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([22, 2222]), st.sampled_from(["a.example.com", "10.1.2.3", "::1", "A-b"]), st.booleans())
def test_what_we_write_ssh_keygen_finds(tmp_path_factory: pytest.TempPathFactory, port: int, name: str, aliased: bool) -> None:
    folder = tmp_path_factory.mktemp("state")
    made = host_keys()[0]
    key = keys.HostKey(*made.public.split()[:2])
    host = HostAddress(name, port=port, alias="other-name" if aliased else "")
    keys.remember(host, key, folder)
    assert asyncio.run(keys.known(host, folder)).keys == {key}
    assert key.fingerprint == made.fingerprint
