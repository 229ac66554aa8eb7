"""Which key gets in: files and a real ssh-agent against a real sshd, where keys are many, locked, or only half there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from chatops.errors import ChatopsError, ConfigError, TargetError
from chatops.targets.vps.client import address
from chatops.targets.vps.client.address import HostAddress
from tests.needs import need
from tests.vps.sshd import Sshd, linked, sshd

pytestmark = pytest.mark.timeout(60)


@contextlib.contextmanager
def agent(folder: Path, keys: Iterable[Path], *options: str) -> Iterator[Path]:
    """An ssh-agent that holds these keys, in this order; its socket."""
    path = folder / "agent"
    said = subprocess.run([need("ssh-agent", "openssh-client"), "-a", path], capture_output=True, text=True, check=True)
    found = re.search(r"SSH_AGENT_PID=(\d+)", said.stdout)
    assert found
    try:
        for key in keys:
            env = {**os.environ, "SSH_AUTH_SOCK": str(path)}
            subprocess.run(
                [need("ssh-add", "openssh-client"), "-q", *options, key], env=env, check=True, stdin=subprocess.DEVNULL
            )
        yield path
    finally:
        os.kill(int(found[1]), signal.SIGTERM)


def strange(folder: Path, count: int) -> list[Path]:
    """Keys that no host knows."""
    paths = [folder / f"strange{number}" for number in range(count)]
    for path in paths:
        paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return paths


def public(key: Path, to: Path) -> Path:
    """A file with nothing but the public half of a key."""
    made = subprocess.run([need("ssh-keygen", "openssh-client"), "-y", "-f", key], capture_output=True, check=True)
    to.write_bytes(made.stdout)
    return to


def host(server: Sshd, *identities: Path, **more: object) -> HostAddress:
    """As `resolve` leaves it."""
    return replace(server.host, identity=None, hostname="127.0.0.1", identities=identities, **more)


def user(where: HostAddress) -> str:
    """Who is let in."""

    async def ask() -> str:
        async with linked(where) as link:
            return (await link.script('echo "<${SSH_AUTH_SOCK-}>"')).out.decode()

    return asyncio.run(ask())


def refusal(where: HostAddress) -> ChatopsError:
    with pytest.raises(TargetError) as caught:
        user(where)
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value


def test_a_key_that_is_in_a_file_and_in_the_agent_is_tried_once(server: Sshd, tmp_path: Path) -> None:
    """Three files and five keys are more than a host takes (six), three and two are not."""
    others = strange(tmp_path, 4)
    with agent(tmp_path, [*others, server.identity]) as path:
        assert user(host(server, *others[:3], agent=True, agent_path=str(path)))


def test_too_many_keys_are_told_as_what_they_are(server: Sshd, tmp_path: Path) -> None:
    others = strange(tmp_path, 8)
    with agent(tmp_path, [*others[4:], server.identity]) as path:
        error = refusal(host(server, *others[:4], agent=True, agent_path=str(path)))
    assert error.message.endswith("and hung up: too many were tried")
    assert "refused 6 keys of" in error.message
    assert "`identity`" in error.hint


def test_a_host_that_takes_one_try_just_refuses(tmp_path: Path) -> None:
    with sshd("MaxAuthTries 1") as strict:
        assert "does not let" in refusal(host(strict, *strange(tmp_path, 2))).message


@pytest.mark.parametrize("all_keys", [True, False], ids=["", "IdentitiesOnly"])
def test_a_public_key_stands_for_the_one_in_the_agent(server: Sshd, tmp_path: Path, all_keys: bool) -> None:
    """Where the private half is in the agent alone, as with a YubiKey; ssh_config names `key.pub`, or `key` without a file."""
    others = strange(tmp_path, 7)
    named = public(server.identity, tmp_path / "key.pub")
    with agent(tmp_path, [*others, server.identity]) as path:
        for identity in (named, tmp_path / "key"):
            assert user(host(server, identity, agent=all_keys, agent_path=str(path)))


def test_a_public_key_that_the_agent_does_not_have(server: Sshd, tmp_path: Path) -> None:
    named = public(server.identity, tmp_path / "key.pub")
    error = refusal(host(server, named, agent=True))
    assert error.message == f"`{named}` has no private half, and the agent does not have it"


def test_a_locked_key_is_told(server: Sshd, tmp_path: Path) -> None:
    key = tmp_path / "locked"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key), "passphrase")
    assert "without its passphrase" in refusal(host(server, key)).message


@contextlib.contextmanager
def mute(folder: Path) -> Iterator[Path]:
    """An agent that takes every connection and never says a word."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "mute"))
        silent.listen()
        yield folder / "mute"


def test_an_agent_is_not_asked_before_it_is_needed(server: Sshd, tmp_path: Path) -> None:
    key = tmp_path / "locked"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key), "passphrase")
    with mute(tmp_path) as path:
        assert user(host(server, key, server.identity, agent=True, agent_path=str(path)))


def test_an_agent_that_never_answers_is_named(server: Sshd, tmp_path: Path) -> None:
    with mute(tmp_path) as path:
        error = refusal(host(server, *strange(tmp_path, 1), agent=True, agent_path=str(path)))
    assert error.message == f"the SSH agent at `{path}` does not answer"


def test_an_agent_that_is_gone_has_no_keys(server: Sshd, tmp_path: Path) -> None:
    error = refusal(host(server, *strange(tmp_path, 1), agent=True, agent_path=str(tmp_path / "gone")))
    assert "does not let" in error.message


def test_an_agent_that_will_not_sign_is_not_the_hosts_fault(server: Sshd, tmp_path: Path) -> None:
    """It asks for a confirmation that nobody can give."""
    with agent(tmp_path, [server.identity], "-c") as path:
        assert "does not let" in refusal(host(server, agent=True, agent_path=str(path))).message


def test_no_agent_is_lent_to_a_host(server: Sshd, tmp_path: Path) -> None:
    """Whoever is root there could log in elsewhere with it."""
    with agent(tmp_path, [server.identity]) as path:
        assert user(host(server, agent=True, agent_path=str(path))) == "<>\n"


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("IdentityAgent none", ""),
        ("IdentityAgent SSH_AUTH_SOCK", "/the/usual"),
        ("IdentityAgent $OTHER", "/another"),
        ("IdentityAgent $UNSET", ""),
        ("IdentityAgent ~/agent.sock", str(Path("~/agent.sock").expanduser())),
        ("IdentityAgent /a/folder with spaces/agent", "/a/folder with spaces/agent"),
        ("", "/the/usual"),
    ],
)
def test_ssh_config_names_the_agent(said: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/the/usual")
    monkeypatch.setenv("OTHER", "/another")
    name, _, value = said.partition(" ")
    config = tmp_path / "config"
    config.write_text(f'{name} "{value}"\n' if said else "")
    argv = [need("ssh", "openssh-client"), "-F", config, "-G", "chat"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert address._completed(HostAddress("chat"), done.stdout).agent_path == path


def test_an_identity_of_the_file_that_does_not_exist(server: Sshd, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere` can't be used: no such file"):
        user(replace(server.host, identity=tmp_path / "nowhere"))
