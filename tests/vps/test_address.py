"""What ssh_config says of a host, against the real `ssh -G`."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops.targets.vps.client import address
from chatops.targets.vps.client.address import HostAddress
from tests.needs import need


def completed(host: HostAddress, config: str, folder: Path) -> HostAddress:
    """As `resolve` does it, with a configuration of our own in place of the user's."""
    path = folder / "config"
    path.write_text(config)
    ssh, *rest = address._question(host)
    argv = [need(ssh, "openssh-client"), "-F", path, *rest]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10, stdin=subprocess.DEVNULL)
    return address._completed(host, done.stdout)


def test_the_file_says_what_the_block_leaves_out(tmp_path: Path) -> None:
    key, known = tmp_path / "key", tmp_path / "known"
    key.touch()
    (tmp_path / "more").write_text(f"Host chat\n  HostName 203.0.113.7\n  IdentityFile {key}\n  IdentityFile {tmp_path}/none\n")
    config = (
        f"Include {tmp_path}/more\nHost *\n  Port 2222\n  User ana\n  HostKeyAlias box\n  UserKnownHostsFile {known} {known}2\n"
    )
    found = completed(HostAddress("chat"), config, tmp_path)
    assert (found.place, found.login, found.identities, found.agent) == (("203.0.113.7", 2222), "ana", (key,), True)
    assert found.known_as == "box"
    assert found.known_hosts[:2] == (known, Path(f"{known}2"))


def test_names_of_keys_may_hold_what_the_host_is_called(tmp_path: Path) -> None:
    key = tmp_path / "203.0.113.7_ana_100%"
    key.touch()
    config = f"Host chat\n  HostName 203.0.113.7\n  User ana\n  IdentityFile {tmp_path}/%h_%r_100%%\n"
    assert completed(HostAddress("chat"), config, tmp_path).identities == (key,)


def test_a_match_block_counts(tmp_path: Path) -> None:
    config = "Match originalhost chat user root exec true\n  Port 2200\nMatch host other\n  Port 9\n"
    assert completed(HostAddress("chat", "root"), config, tmp_path).place == ("chat", 2200)


def test_the_block_goes_before_the_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch()
    host = HostAddress("chat", "root", 22, key, ("SHA256:x",))
    found = completed(host, "Host *\n  Port 2222\n  User ana\n  IdentityFile /etc/hostname\n  ForwardAgent yes\n", tmp_path)
    assert (found.place, found.login, found.identities, found.agent) == (("chat", 22), "root", (key,), False)
    assert found.known_as == "chat"
    assert found.host_key == ("SHA256:x",)


@pytest.mark.parametrize(
    ("config", "proxy"),
    [
        ("ProxyJump ana@jump:2200", "-W '[chat]:22' ssh://ana@jump:2200"),
        ("ProxyJump one,two", "-J one -W '[chat]:22' ssh://two"),
        ("ProxyCommand nc -X 5 %h %p %r %n 100%%", "nc -X 5 chat 22 root chat 100%"),
        ("ProxyJump none", ""),
    ],
)
def test_ways_through_other_hosts(config: str, proxy: str, tmp_path: Path) -> None:
    found = completed(HostAddress("chat", "root"), f"Host chat\n  {config}\n", tmp_path)
    assert found.proxy.endswith(proxy)
    assert ("BatchMode=yes" in found.proxy) == ("ProxyJump" in config and bool(proxy))


def test_without_openssh_the_usual_files_count(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch()
    found = address._without_openssh(HostAddress("chat", identity=key))
    assert (found.place, found.login, found.identities) == (("chat", 22), "root", (key,))
    assert found.known_as == "chat"
    assert replace(found, port=2222).known_as == "[chat]:2222"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_answer_of_ssh_is_read(text: str) -> None:
    found = address._completed(HostAddress("chat", port=22), text)
    assert found.place == (found.hostname, 22)
