"""The link over a real sshd: answers, endless lines, noise, cuts, freezes, silence, refusals."""

import asyncio
import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatops import shell
from chatops.errors import TargetError
from chatops.pm2 import Layout
from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.look import look
from chatops.targets.vps.client.reach import Reach, dial
from chatops.targets.vps.facts import Questions
from tests.rig.blackhole import silent, unreachable
from tests.rig.link import Link as Wire
from tests.vps.sshd import Sshd, gone, linked, sshd

pytestmark = pytest.mark.timeout(90)


def far(server: Sshd, wire: Wire) -> HostAddress:
    return server.through(wire.port)


def test_an_answer_has_code_output_and_errors(server: Sshd) -> None:
    async def ask() -> None:
        async with linked(server.host) as link:
            answer = await link.script("cat; echo oh >&2; exit 3", stdin=b"\0\xff data\n")
            assert (answer.code, answer.out, answer.err) == (3, b"\0\xff data\n", b"oh\n")
            assert (await link.script("kill -9 $$")).code == -1

    asyncio.run(ask())


def test_input_larger_than_every_buffer_arrives_whole(server: Sshd) -> None:
    async def ask() -> bytes:
        async with linked(server.host) as link:
            return (await link.script("wc -c", stdin=[b"x" * 1_000_003] * 9)).out

    assert asyncio.run(ask()) == b"9000027\n"


def test_a_script_that_does_not_read_its_input_still_answers(server: Sshd) -> None:
    async def ask() -> bytes:
        async with linked(server.host) as link:
            return (await link.script("echo done", stdin=b"x" * 9_000_000)).out

    assert asyncio.run(ask()) == b"done\n"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=30))
def test_values_reach_the_host_byte_for_byte(server: Sshd, values: list[str]) -> None:
    async def ask() -> list[str]:
        async with linked(server.host) as link:
            answer = await link.script(f"printf '%s\\0' {shell.words(*values)}")
            return answer.out.decode().split("\0")[:-1]

    assert asyncio.run(ask()) == values


def test_the_script_is_in_no_process_list(server: Sshd) -> None:
    async def ask() -> None:
        async with (
            linked(server.host) as link,
            aclosing(link.lines("canary=31337-canary; echo up; sleep 5; echo $canary")) as lines,
        ):
            assert await anext(lines) == b"up"
            shown = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
            assert not [line for line in shown if b"31337-canary" in line]

    asyncio.run(ask())


@pytest.mark.parametrize(
    "rc", ["echo hello; echo hello >&2", "printf 'no newline'", "sleep 1", "head -c 300000 /dev/zero; yes | head -n 999"]
)
def test_what_a_login_shell_prints_is_left_out(rc: str, tmp_path: Path) -> None:
    wrapper = tmp_path / "shell"
    wrapper.write_text(f'#!/bin/sh\n{rc}\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    wrapper.chmod(0o755)

    async def ask(server: Sshd) -> None:
        async with linked(server.host) as link:
            answer = await link.script("cat; echo oh >&2", stdin=b"data")
            assert (answer.code, answer.out, answer.err) == (0, b"data", b"oh\n")

    with sshd(f"ForceCommand {wrapper}") as server:
        asyncio.run(ask(server))


def test_a_shell_that_never_starts_is_told(tmp_path: Path) -> None:
    async def ask(server: Sshd) -> None:
        async with linked(server.host) as link:
            await link.script("true")

    with sshd("ForceCommand /usr/sbin/nologin") as server, pytest.raises(TargetError, match="no shell can be started"):
        asyncio.run(ask(server))


def test_another_user_runs_it(server: Sshd) -> None:
    async def ask() -> list[bytes]:
        async with linked(server.host) as link:
            return (await link.script("id -un; cat; umask; pwd; locale charmap", stdin=b"in\n", user="nobody")).out.split(b"\n")

    assert asyncio.run(ask()) == [b"nobody", b"in", b"0077", b"/", b"UTF-8", b""]


def test_more_output_than_asked_for_is_an_error(server: Sshd) -> None:
    async def ask() -> None:
        async with linked(server.host) as link:
            await link.script("yes", most=100_000)

    with pytest.raises(TargetError, match="more than 100000 bytes"):
        asyncio.run(ask())


def test_a_script_that_hangs_ends_here_and_there(server: Sshd, tmp_path: Path) -> None:
    alive = tmp_path / "alive"

    async def ask() -> None:
        async with linked(server.host) as link:
            with pytest.raises(TargetError, match="did not answer within 1 s"):
                await link.script(f"trap 'rm -f {alive}' EXIT TERM; : >{alive}; sleep 60 & wait", limit=1)
            async with asyncio.timeout(10):
                await gone(alive)

    asyncio.run(ask())


def test_endless_lines_are_held_back_and_end_when_closed(server: Sshd, wire: Wire, tmp_path: Path) -> None:
    alive = tmp_path / "alive"

    async def ask() -> None:
        async with linked(far(server, wire)) as link:
            script = f"trap 'rm -f {alive}' EXIT; : >{alive}; seq 1 100000000"
            async with aclosing(link.lines(script)) as lines:
                assert [await anext(lines) for _ in range(3)] == [b"1", b"2", b"3"]
                await asyncio.sleep(1)
                assert wire.traffic.down < 12_000_000
            async with asyncio.timeout(5):
                await gone(alive)

    asyncio.run(ask())


def test_many_scripts_at_once_on_one_link(server: Sshd) -> None:
    async def ask() -> list[bytes]:
        async with linked(server.host) as link:
            return [answer.out for answer in await asyncio.gather(*(link.script(f"echo {number}") for number in range(8)))]

    assert asyncio.run(ask()) == [f"{number}\n".encode() for number in range(8)]


# ---------------------------------------------------------------- broken links


def test_a_script_that_is_given_up_while_it_begins_breaks_no_other_off(server: Sshd) -> None:
    """As when `monitor --once` has seen enough while the log is being opened."""

    async def ask() -> None:
        async with linked(server.host) as link, aclosing(link.lines("echo up; read -r word; echo on")) as other:
            assert await anext(other) == b"up"
            for turns in range(8):  # with `other` and the last one as many sessions as sshd allows at once
                given_up = asyncio.create_task(link.script("read -r word"))
                for _ in range(turns):
                    await asyncio.sleep(0)
                given_up.cancel()
                await asyncio.gather(given_up, return_exceptions=True)
            assert (await link.script("echo fine")).out == b"fine\n"
            assert link.alive

    asyncio.run(ask())


def test_a_frozen_link_is_noticed_within_ten_seconds(server: Sshd, wire: Wire) -> None:
    async def ask() -> float:
        async with linked(far(server, wire)) as link, aclosing(link.lines("echo up; sleep 60")) as lines:
            await anext(lines)
            wire.freeze()
            begun = time.monotonic()
            with pytest.raises(TargetError, match="is lost: no answer for 5 s"):
                await anext(lines)
            return time.monotonic() - begun

    assert 4 < asyncio.run(ask()) < 10


def test_a_frozen_link_ends_a_script_and_an_upload(server: Sshd, wire: Wire) -> None:
    async def ask() -> float:
        async with linked(far(server, wire)) as link:
            begun = time.monotonic()
            asyncio.get_running_loop().call_later(0.5, wire.freeze)
            with pytest.raises(TargetError, match="is lost"):
                await link.script("cat >/dev/null", stdin=(b"x" * 1000 for _ in range(10**9)), limit=60)
            return time.monotonic() - begun

    assert asyncio.run(ask()) < 12


def test_a_cut_link_is_noticed_at_once(server: Sshd, wire: Wire) -> None:
    async def ask() -> float:
        async with linked(far(server, wire)) as link, aclosing(link.lines("echo up; sleep 60")) as lines:
            await anext(lines)
            wire.cut()
            begun = time.monotonic()
            with pytest.raises(TargetError, match="is lost"):
                await anext(lines)
            with pytest.raises(TargetError, match="is lost"):
                await link.script("true")
            return time.monotonic() - begun

    assert asyncio.run(ask()) < 2


def test_a_slow_link_is_not_taken_for_a_dead_one(server: Sshd, wire: Wire) -> None:
    wire.delayed(0.3)

    async def ask() -> bytes:
        async with linked(far(server, wire)) as link:
            return (await link.script("sleep 9; echo still here")).out

    assert asyncio.run(ask()) == b"still here\n"


# ---------------------------------------------------------------- no link at all


def refusal(host: HostAddress) -> str:
    async def ask() -> None:
        async with linked(host):
            pass

    begun = time.monotonic()
    with pytest.raises(TargetError) as caught:
        asyncio.run(ask())
    assert time.monotonic() - begun < 12
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value.message


def test_silence_ends_in_time(server: Sshd) -> None:
    with silent() as mute, unreachable() as closed, ThreadPoolExecutor() as both:
        places = (mute, closed)
        told = both.map(refusal, (replace(server.host, address=address, port=port) for address, port in places))
        assert list(told) == [f"no answer from {address}:{port} within 10 s" for address, port in places]


def test_a_closed_port_and_an_unknown_name(server: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert refusal(server.through(port)) == f"nothing listens on 127.0.0.1:{port}"
    assert "does not resolve" in refusal(replace(server.host, address="no-such-host.invalid"))
    assert "no address" in refusal(replace(server.host, address="-oProxyCommand=touch /tmp/x"))


def test_a_key_that_the_host_does_not_know(server: Sshd, tmp_path: Path) -> None:
    import paramiko

    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    assert "does not let" in refusal(replace(server.host, identity=key))


def test_weak_algorithms_are_not_talked_about() -> None:
    with sshd("Ciphers aes128-cbc,3des-cbc") as old:
        assert "share no safe algorithm" in refusal(old.host)
    with sshd("MACs hmac-sha1", "Ciphers aes128-ctr") as old:
        assert "share no safe algorithm" in refusal(old.host)
    with sshd("KexAlgorithms diffie-hellman-group14-sha1") as old:
        assert "share no safe algorithm" in refusal(old.host)


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff\n" * 999])
def test_something_that_is_no_ssh(server: Sshd, greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:
        threading.Thread(target=_greet, args=(web, greeting), daemon=True).start()
        assert refusal(server.through(web.getsockname()[1]))


def _greet(web: socket.socket, greeting: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = web.accept()
            client.sendall(greeting)
            client.close()


def test_an_sshd_that_drops_us_while_it_is_busy_is_tried_again(server: Sshd, wire: Wire) -> None:
    async def ask() -> bytes:
        wire.cut()
        asyncio.get_running_loop().call_later(0.15, wire.resume)
        async with linked(far(server, wire)) as link:
            return (await link.script("echo up")).out

    assert asyncio.run(ask()) == b"up\n"


def test_a_fleet_is_dialled_together_and_each_host_tells_its_own_trouble(server: Sshd) -> None:
    async def ask() -> list[str]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        reaches = [Reach(host) for host in (server.host, server.through(port), *[server.host] * 6)]
        wrong = await dial(reaches)
        told = [
            error.message if error else (await (await reach.link()).script("echo up")).out.decode()
            for error, reach in zip(wrong, reaches, strict=True)
        ]
        await asyncio.gather(*(reach.close() for reach in reaches))
        return told

    told = asyncio.run(ask())
    assert told[1].startswith("nothing listens")
    assert told[:1] + told[2:] == ["up\n"] * 7


def test_a_host_behind_another_one(server: Sshd) -> None:
    jump = [
        "ssh",
        "-i",
        server.identity,
        "-p",
        server.port,
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]
    proxy = shell.words(*jump, "-W", f"127.0.0.1:{server.port}", f"{server.host.user}@127.0.0.1")
    behind = replace(server.host, hostname="127.0.0.1", identities=(server.identity,), proxy=proxy)

    async def ask() -> bytes:
        async with linked(behind) as link:
            return (await link.script("echo $SSH_AUTH_SOCK up")).out

    assert asyncio.run(ask()) == b"up\n"


def test_connecting_and_looking_costs_ten_round_trips_at_most(server: Sshd, wire: Wire, tmp_path: Path) -> None:
    wire.delayed(0.02)
    root = PurePosixPath(tmp_path)
    asked = Questions(
        app="chat", layout=Layout(root), pm2=root / "pm2", runtimes=root / "node", stamps=root / "stamps", lock=root / "lock"
    )

    async def ask() -> float:
        async with linked(far(server, wire)) as link:
            await look(link, asked)
            return wire.traffic.round_trips

    assert asyncio.run(ask()) + 1 <= 10  # one for TCP itself
