"""Programs carried out over a real sshd: what travels, what is said, and every way in which the link or the tool can fail."""

import asyncio
import getpass
import hashlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops.attached import Course, Head
from chatops.errors import ChatopsError, Interrupted, Locked, StepFailed, Unhealthy, UnknownOutcome
from chatops.events import Event, Notice, StepFinished, StepOutput, StepStarted
from chatops.program import ShellStep, compile_program
from chatops.targets.vps.client.attach import everywhere, in_turn, join
from chatops.targets.vps.client.cargo import cargo
from chatops.targets.vps.client.carry import Carrier
from chatops.targets.vps.client.fleet import together
from chatops.targets.vps.client.reach import Reach
from chatops.targets.vps.facts import Member, Program
from tests.rig.link import Link as Wire
from tests.vps.sshd import Sshd, gone

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def state(tmp_path: Path) -> PurePosixPath:
    return PurePosixPath(tmp_path / "app" / "state")


def program(
    state: PurePosixPath, *actions: str, phase: str = "prepare", members: tuple[Member, ...] = (), proofs: str = ""
) -> Program:
    """A program whose steps are called s0, s1, ..."""
    steps = [ShellStep(name=f"s{number}", title=f"step {number}", action=action) for number, action in enumerate(actions)]
    names = {"program": state / f"{phase}.sh", "journal": state / "journal.ndjson", "stop": state / "stop"}
    text = compile_program("a test", steps, names)
    titles = {step.name: step.title for step in steps}
    return Program(
        phase=phase,
        text=text,
        user=getpass.getuser(),
        state=state,
        lock=state / "lock",
        titles=titles,
        proofs=frozenset(proofs.split()),
        members=members,
    )


def carrier(reach: Reach, who: str = "ana@laptop", patience: float = 60) -> Carrier:
    return Carrier(reach, "deploy", who, lambda text: text, patience)


def carry(server: Sshd, *programs: Program, port: int = 0, seen: Callable[[Event], None] = lambda event: None) -> list[Event]:
    """The events of one plan."""

    async def go() -> list[Event]:
        reach = Reach(server.through(port or server.port))
        one, events = carrier(reach), list[Event]()
        try:
            for each in programs:
                async for event in one.phase(each):
                    events.append(event)
                    seen(event)
        finally:
            await one.release()
            await reach.close()
        return events

    return asyncio.run(go())


def told(events: list[Event]) -> list[str]:
    """What steps did, in order."""
    return [_word(event) for event in events if isinstance(event, StepStarted | StepOutput | StepFinished)]


def _word(event: StepStarted | StepOutput | StepFinished) -> str:
    if isinstance(event, StepOutput):
        return event.line
    return f"{'>' if isinstance(event, StepStarted) else '<'}{event.step}"


def is_free(state: PurePosixPath) -> bool:
    return subprocess.run(["flock", "-n", state / "lock", "true"], check=False, timeout=5).returncode == 0


def until_free(state: PurePosixPath, seconds: float = 2) -> None:
    end = time.monotonic() + seconds
    while not is_free(state):
        assert time.monotonic() < end, "the lock is held"
        time.sleep(0.02)


def test_two_phases_and_what_they_need(server: Sshd, state: PurePosixPath) -> None:
    env = Member(state.parent / "shared" / "env" / "a b.json", b'{"TOKEN": "canary-31337"}')
    script = Member(state.parent / "scripts" / "x.cjs", b"hi\n", 0o755)
    first = program(state, "echo one", "echo 'two \"quoted\" \\'; cat " + str(script.path), members=(env, script))
    second = program(state, "echo three", phase="settle")
    events = carry(server, first, second)
    assert told(events) == [">s0", "one", "<s0", ">s1", 'two "quoted" \\', "hi", "<s1", ">s0", "three", "<s0"]
    assert {event.host for event in events} == {"127.0.0.1"}  # type: ignore[union-attr]
    assert Path(env.path).read_bytes() == env.content
    assert stat.S_IMODE(Path(env.path).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(script.path).stat().st_mode) == 0o755
    assert stat.S_IMODE(Path(state).stat().st_mode) == 0o700
    assert not [path for path in Path(state).rglob("*") if path.is_file() and b"canary-31337" in path.read_bytes()]
    until_free(state, 0.5)


def test_a_failing_step_and_a_failing_gate(server: Sshd, state: PurePosixPath) -> None:
    with pytest.raises(StepFailed, match="step 1: no such luck"):
        carry(server, program(state, "true", "echo no such luck; exit 1", "echo never"))
    with pytest.raises(Unhealthy, match="step 0: it is ill"):
        carry(server, program(state, "echo it is ill; exit 1", proofs="s0"))
    until_free(state)


def test_a_killed_program_has_an_unknown_outcome(server: Sshd, state: PurePosixPath) -> None:
    with pytest.raises(UnknownOutcome, match="was killed"):
        carry(server, program(state, "kill -9 $(ps -o sid= -p $$)"))
    until_free(state)


def test_another_operator_is_told_who_has_the_lock(server: Sshd, state: PurePosixPath, tmp_path: Path) -> None:
    go = tmp_path / "go"

    async def both() -> None:
        reach, other = Reach(server.host), Reach(server.host)
        one, two = carrier(reach), carrier(other, "bob@desk")
        async with aclosing(one.phase(program(state, f"until [ -e {go} ]; do sleep 0.05; done"))) as events:
            await anext(events)
            with pytest.raises(Locked, match=r"locked by ana@laptop \(deploy\) for \d s"):
                await anext(two.phase(program(state, "echo stolen")))
            go.touch()
            async for _ in events:
                pass
        with pytest.raises(Locked):
            await anext(two.phase(program(state, "echo between two phases")))
        await one.release()
        assert told([event async for event in two.phase(program(state, "echo mine"))]) == [">s0", "mine", "<s0"]
        await two.release()
        await asyncio.gather(reach.close(), other.close())

    asyncio.run(both())
    until_free(state)


def test_two_users_of_one_change_hand_the_lock_over_and_nobody_comes_in_between(server: Sshd, tmp_path: Path) -> None:
    """Root provisions, the app's user deploys: two folders, one lock. Here both are who we are."""
    root, app, lock = (PurePosixPath(tmp_path / name) for name in ("root/state", "app/state", "lock"))
    done = tmp_path / "done"
    first = replace(program(root, "echo as root", phase="provision"), lock=lock)
    second = replace(program(app, "echo as the app"), lock=lock)
    third = replace(program(root, "echo as root again", phase="firewall"), lock=lock)

    async def steal(reach: Reach) -> int:
        """Tries again and again to come in, and counts how often it was refused."""
        refused = 0
        while not done.exists():
            thief = carrier(reach, "bob@desk")
            try:
                async for _ in thief.phase(replace(program(app, "echo stolen"), lock=lock)):
                    assert done.exists()
            except Locked as error:
                assert "ana@laptop" in error.message or done.exists()
                refused += 1
            await thief.release()
        return refused

    async def both() -> list[Event]:
        reach, others = Reach(server.host), [Reach(server.host) for _ in range(3)]
        one = carrier(reach)
        events = [event async for event in one.phase(first)]
        thieves = [asyncio.create_task(steal(other)) for other in others]
        for _ in range(3):
            events += [event async for event in one.phase(second)]
            events += [event async for event in one.phase(third)]
        done.touch()
        await one.release()
        assert min(await asyncio.gather(*thieves)) > 0
        await asyncio.gather(reach.close(), *(other.close() for other in others))
        return events

    said = [event.line for event in asyncio.run(both()) if isinstance(event, StepOutput)]
    assert said == ["as root", *["as the app", "as root again"] * 3]
    until_free(PurePosixPath(tmp_path))


def test_the_lock_waits_for_who_comes_next_on_a_busy_host(server: Sshd, tmp_path: Path) -> None:
    root, app, lock = (PurePosixPath(tmp_path / name) for name in ("root/state", "app/state", "lock"))
    first = replace(program(root, "echo as root", phase="provision"), lock=lock)
    second = replace(program(app, "echo as the app"), lock=lock)
    Path(app).mkdir(parents=True)
    os.mkfifo(holder := Path(app / "holder"))  # the shell that comes next reads it, and gets no further

    async def go() -> list[Event]:
        reach, other = Reach(server.host), Reach(server.host)
        one, thief = carrier(reach), carrier(other, "bob@desk")
        events = [event async for event in one.phase(first)]
        coming = asyncio.create_task(_all(one.phase(second)))
        for _ in range(3):
            await asyncio.sleep(1)  # longer than a lock that was handed over is kept
            with pytest.raises(Locked, match="ana@laptop"):
                await _all(thief.phase(replace(second, lock=lock)))
        holder.rename(tmp_path / "fifo")
        (tmp_path / "fifo").write_text("")
        events += await coming
        await one.release()
        await asyncio.gather(reach.close(), other.close())
        return events

    said = [event.line for event in asyncio.run(go()) if isinstance(event, StepOutput)]
    assert said == ["as root", "as the app"]


async def _all(events: AsyncGenerator[Event]) -> list[Event]:
    return [event async for event in events]


def test_the_lock_says_whose_it_is_at_any_moment_of_a_handover(server: Sshd, tmp_path: Path) -> None:
    """Who comes next looks while the other still writes; it took an empty file for somebody else's lock."""
    root, app, lock = (PurePosixPath(tmp_path / name) for name in ("root/state", "app/state", "lock"))
    first = replace(program(root, "echo as root", phase="provision"), lock=lock)
    second = replace(program(app, "echo as the app"), lock=lock)
    done = threading.Event()

    def watch() -> int:
        """How often the lock was nobody's."""
        with Path(lock).open("rb") as file:
            gaps = 0
            while not done.is_set():
                gaps += b"ana@laptop" not in os.pread(file.fileno(), 4096, 0)
            return gaps

    async def go() -> int:
        reach = Reach(server.host)
        one = carrier(reach)
        events = [event async for event in one.phase(first)]
        watching = asyncio.create_task(asyncio.to_thread(watch))
        for _ in range(5):
            events += [event async for event in one.phase(second)]
            events += [event async for event in one.phase(first)]
        done.set()
        await one.release()
        await reach.close()
        return await watching

    assert asyncio.run(go()) == 0
    until_free(PurePosixPath(tmp_path))


def test_a_link_that_is_lost_while_the_lock_is_handed_over(server: Sshd, wire: Wire, tmp_path: Path) -> None:
    root, app, lock = (PurePosixPath(tmp_path / name) for name in ("root/state", "app/state", "lock"))
    first = replace(program(root, "echo as root", phase="provision"), lock=lock)
    second = replace(program(app, "echo as the app"), lock=lock)

    async def go() -> list[Event]:
        reach = Reach(server.through(wire.port))
        one = carrier(reach)
        events = [event async for event in one.phase(first)]
        wire.cut()
        asyncio.get_running_loop().call_later(1, wire.resume)
        events += [event async for event in one.phase(second)]
        await one.release()
        await reach.close()
        return events

    assert told(asyncio.run(go())) == [">s0", "as root", "<s0", ">s0", "as the app", "<s0"]
    until_free(PurePosixPath(tmp_path))


def test_a_daemon_of_a_step_does_not_keep_the_lock(server: Sshd, state: PurePosixPath) -> None:
    carry(server, program(state, "setsid sleep 20 9>&- >/dev/null 2>&1 </dev/null & echo $!"))
    until_free(state)


def test_a_program_runs_as_who_it_should(server: Sshd) -> None:
    home = Path("/var/lib") / f"chatops-test-{os.getpid()}"
    home.mkdir(mode=0o755)
    shutil.chown(home, "nobody")
    state = PurePosixPath(home / "state")
    one = program(state, "id -un; umask")
    one = Program(phase="prepare", text=one.text, user="nobody", state=state, lock=state / "lock", titles=one.titles)
    try:
        assert told(carry(server, one))[1:3] == ["nobody", "0077"]
        assert Path(state).owner() == "nobody"
    finally:
        shutil.rmtree(home)


# ---------------------------------------------------------------- archives


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_an_archive_arrives_whole_and_then_only_what_changed(
    server: Sshd, wire: Wire, state: PurePosixPath, tmp_path: Path
) -> None:
    files = {f"{'long/' * 40}{number}": os.urandom(20_000) for number in range(40)}
    sent = []
    for version in range(2):
        files["changed"] = os.urandom(5_000)
        source = archive(tmp_path / f"{version}.tar", files)
        member = Member(state / "incoming" / f"{version}.tar", source)
        before = wire.traffic.up
        carry(server, program(state, "true", members=(member,)), port=wire.port)
        sent.append(wire.traffic.up - before)
        assert Path(member.path).read_bytes() == source.read_bytes()
    assert sent[0] > 800_000
    assert sent[1] < 40_000


def test_a_broken_piece_is_found_out_and_mended_by_the_next_try(server: Sshd, state: PurePosixPath, tmp_path: Path) -> None:
    source = archive(tmp_path / "a.tar", {"a": b"a" * 5000, "b": b"b" * 5000})
    member = Member(state / "incoming" / "a.tar", source)
    carry(server, program(state, "true", members=(member,)))
    piece = max(Path(state / "pieces").iterdir(), key=lambda path: path.stat().st_size)
    piece.write_bytes(b"broken")
    Path(member.path).unlink()
    with pytest.raises(StepFailed, match="not what was sent"):
        carry(server, program(state, "true", members=(member,)))
    assert not Path(member.path).exists()
    carry(server, program(state, "true", members=(member,)))
    assert Path(member.path).read_bytes() == source.read_bytes()


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text("ab/é-", min_size=1, max_size=150), st.binary(max_size=2000), max_size=6))
def test_pieces_in_a_row_are_the_archive(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    source = archive(tmp_path_factory.mktemp("tar") / "a.tar", files)
    carried = cargo(program(PurePosixPath("/s"), "true", members=(Member(PurePosixPath("/s/a.tar"), source),)))
    [(_, _, cut)] = carried.archives
    data = source.read_bytes()
    parts = [data[piece.start : piece.start + piece.size] for piece in cut.pieces]
    assert b"".join(parts) == data
    assert [hashlib.sha256(part).hexdigest() for part in parts] == [piece.sha256 for piece in cut.pieces]
    assert hashlib.sha256(data).hexdigest() == cut.sha256


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder], check=False, timeout=10).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True, timeout=10)


def test_a_full_disk_is_told_and_nothing_starts(server: Sshd, small_disk: Path, tmp_path: Path) -> None:
    state = PurePosixPath(small_disk / "state")
    source = archive(tmp_path / "a.tar", {"a": os.urandom(5_000_000)})
    with pytest.raises(StepFailed, match="nothing was started") as caught:
        carry(server, program(state, "echo never", members=(Member(state / "incoming" / "a.tar", source),)))
    assert "disk full" in caught.value.hint
    until_free(state)


# ---------------------------------------------------------------- broken links

SLOW = "for n in 1 2 3 4 5 6; do echo $n; sleep 0.2; done"


@pytest.mark.parametrize("fault", ["cut", "freeze"])
def test_a_program_goes_on_without_the_link_and_nothing_is_missed(
    server: Sshd, wire: Wire, state: PurePosixPath, fault: str
) -> None:
    def seen(event: Event) -> None:
        if isinstance(event, StepOutput) and event.line == "2" and event.step == "s0":
            wire.cut() if fault == "cut" else wire.freeze()
        if isinstance(event, Notice):
            wire.resume()

    events = carry(
        server, program(state, SLOW, "echo last"), program(state, "echo more", phase="settle"), port=wire.port, seen=seen
    )
    expected = [">s0", *"123456", "<s0", ">s1", "last", "<s1", ">s0", "more", "<s0"]
    assert told(events) == expected
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert "is lost" in notices[0]
    assert notices[1:] == ["the link to `127.0.0.1` is back"]
    until_free(state)


def test_an_upload_that_is_cut_is_sent_again(server: Sshd, wire: Wire, state: PurePosixPath, tmp_path: Path) -> None:
    source = archive(tmp_path / "a.tar", {str(number): os.urandom(1_000_000) for number in range(30)})
    member = Member(state / "incoming" / "a.tar", source)

    async def go() -> list[Event]:
        reach = Reach(server.through(wire.port))
        one = carrier(reach)
        await reach.link()
        cutting = asyncio.create_task(cut_when(lambda: wire.traffic.up > 3_000_000))
        try:
            return [event async for event in one.phase(program(state, "echo once", members=(member,)))]
        finally:
            await cutting
            await one.release()
            await reach.close()

    async def cut_when(holds: Callable[[], bool]) -> None:
        while not holds():  # noqa: ASYNC110  bytes over a socket
            await asyncio.sleep(0.005)
        wire.cut()
        await asyncio.sleep(0.3)
        wire.resume()

    events = asyncio.run(go())
    assert [event for event in events if isinstance(event, Notice)]
    assert told(events) == [">s0", "once", "<s0"]
    assert Path(member.path).read_bytes() == source.read_bytes()


def test_a_link_that_does_not_come_back_leaves_the_outcome_open(server: Sshd, wire: Wire, state: PurePosixPath) -> None:
    async def go() -> None:
        reach = Reach(server.through(wire.port))
        one = carrier(reach, patience=2)
        try:
            async for event in one.phase(program(state, SLOW)):
                if isinstance(event, StepOutput):
                    wire.cut()
        finally:
            await one.release()
            await reach.close()

    with pytest.raises(UnknownOutcome) as caught:
        asyncio.run(go())
    assert "attach" in caught.value.hint
    until_free(state, 5)
    assert '"event":"ended"' in Path(state / "journal.ndjson").read_text()


def test_a_shell_that_ends_each_time_is_given_up(server: Sshd, state: PurePosixPath, tmp_path: Path) -> None:
    """As where the next user's folder is somebody else's: the link is there, and joining again helps nothing."""
    (tmp_path / "theirs").touch()
    first = program(state, "true")
    nowhere = replace(program(PurePosixPath(tmp_path / "theirs" / "state"), "true"), lock=first.lock)

    async def go() -> None:
        reach = Reach(server.through(server.port))
        one = carrier(reach, patience=1)
        try:
            async for _ in one.phase(first):
                pass
            async with asyncio.timeout(20):
                async for _ in one.phase(nowhere):
                    pass
        finally:
            await one.release()
            await reach.close()

    with pytest.raises(UnknownOutcome):
        asyncio.run(go())
    until_free(state, 5)


# ---------------------------------------------------------------- an operator who leaves

OPERATOR = """
import asyncio, sys
from pathlib import Path, PurePosixPath
from tests.vps.test_carry import carrier, program
from chatops.targets.vps.client.address import HostAddress
from chatops.targets.vps.client.reach import Reach
port, identity, pin, state, action = sys.argv[1:]
async def main():
    one = carrier(Reach(HostAddress("127.0.0.1", None, int(port), Path(identity), (pin,))))
    async for event in one.phase(program(PurePosixPath(state), action, "echo after")):
        print("event", flush=True)
asyncio.run(main())
"""


def operator(server: Sshd, state: PurePosixPath, action: str) -> subprocess.Popen[bytes]:
    """The tool in a process of its own, which has seen its first event."""
    arguments = [str(server.port), str(server.identity), server.keys[0].fingerprint, str(state), action]
    process = subprocess.Popen([sys.executable, "-c", OPERATOR, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"event\n"
    return process


def attached(server: Sshd, state: PurePosixPath, then: Callable[[], None] = lambda: None) -> list[Event]:
    async def go() -> list[Event]:
        reach = Reach(server.host)
        events = list[Event]()
        async with aclosing(join(await reach.link(), state / "lock", [state], getpass.getuser(), str)) as joined:
            async for event in joined:
                events.append(event)
                then()
        await reach.close()
        return events

    return asyncio.run(go())


def test_a_killed_tool_leaves_a_program_that_ends_and_others_can_join_it(
    server: Sshd, state: PurePosixPath, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    process = operator(server, state, f"echo begun; until [ -e {go} ]; do sleep 0.05; done; echo done")
    process.kill()
    process.wait(10)
    assert not is_free(state)
    assert told(attached(server, state, then=go.touch)) == [">s0", "begun", "done", "<s0", ">s1", "after", "<s1"]
    until_free(state)


def ended(server: Sshd, lock: PurePosixPath, states: list[PurePosixPath], *programs: Program) -> tuple[list[str], int]:
    """What who has attached from another machine is told of some phases, and the exit code."""

    async def lead(held: asyncio.Event, go: asyncio.Event) -> None:
        reach = Reach(server.host)
        one = carrier(reach)
        for each in programs:
            try:
                async for _ in one.phase(each):
                    held.set()
                    await go.wait()
            except (StepFailed, Unhealthy, Interrupted, UnknownOutcome):
                pass
        await one.release()
        await reach.close()

    async def both() -> tuple[list[str], int]:
        held, go, events, code = asyncio.Event(), asyncio.Event(), list[Event](), 0
        leading = asyncio.create_task(lead(held, go))
        await held.wait()
        reach = Reach(server.host)
        try:
            async with aclosing(join(await reach.link(), lock, states, getpass.getuser(), str)) as joined:
                async for event in joined:
                    events.append(event)
                    go.set()
        except ChatopsError as error:
            code = error.exit_code
        await leading
        await reach.close()
        return told(events), code

    return asyncio.run(both())


@pytest.mark.parametrize(
    ("action", "proofs", "left", "back", "code"),
    [
        ("echo x", "", (), False, 0),
        ("echo x; exit 1", "", ("settle",), False, 4),
        ("echo x; exit 1", "s0", ("settle",), True, 5),
        ("echo x", "", (), True, 5),
        ("echo x", "", ("switch",), False, 9),
        ("echo x; kill -9 $(ps -o sid= -p $$)", "", (), False, 9),
    ],
)
def test_who_attaches_is_told_how_it_ended(
    server: Sshd, state: PurePosixPath, action: str, proofs: str, left: tuple[str, ...], back: bool, code: int
) -> None:
    """A phase that ends well, fails, fails its gate; a way back; a leader who is gone too early; a killed program."""
    first = replace(program(state, action, proofs=proofs), goal="deploy b", left=left)
    way_back = [replace(program(state, "echo back", phase="settle"), goal="rollback a")] if back else []
    said, ends = ended(server, state / "lock", [state], first, *way_back)
    assert (said[:2], ends) == ([">s0", "x"], code)
    assert said[-2:] == ["back", "<s0"] if back else "back" not in said


def test_who_attaches_sees_what_both_users_of_a_change_do(server: Sshd, tmp_path: Path) -> None:
    root, app, lock = (PurePosixPath(tmp_path / name) for name in ("root/state", "app/state", "lock"))
    as_root = replace(program(root, "echo root", phase="provision"), lock=lock, goal="deploy b", left=("prepare",))
    as_app = replace(program(app, "echo app"), lock=lock, goal="deploy b")
    said, code = ended(server, lock, [root, app], as_root, as_app)
    assert (said, code) == ([">s0", "root", "<s0", ">s0", "app", "<s0"], 0)


def test_who_attaches_to_several_hosts_is_told_the_gravest_end_when_all_have_ended() -> None:
    async def part(name: str, error: ChatopsError | None = None) -> AsyncGenerator[Event, None]:
        yield Notice(time=0.0, message=name)
        if error:
            raise error
        await asyncio.sleep(0)
        yield Notice(time=0.0, message=f"{name} again")

    async def all_of() -> list[str]:
        seen: list[str] = []
        parts = [part("a", StepFailed("stopped")), part("b"), part("c", Unhealthy("answers 500"))]
        with pytest.raises(Unhealthy):
            async for event in everywhere(parts):
                seen.append(event.message)  # type: ignore[attr-defined]
        return seen

    assert set(asyncio.run(all_of())) == {"a", "b", "b again", "c"}


def test_who_attaches_is_told_a_phase_to_its_end_before_the_next_whatever_comes_first() -> None:
    """Two journals are followed by two programs: the end of one may come through after the beginning of the other."""

    def head(phase: str, *left: str) -> str:
        return json.dumps(
            {"event": "phase", "phase": phase, "goal": "deploy b", "left": left, "proofs": [], "titles": {}},
            separators=(",", ":"),
        )

    def note(event: str, step: str) -> str:
        return f'{{"time":1,"event":"{event}","step":"{step}","code":0,"changed":true}}'

    async def lines() -> AsyncGenerator[bytes]:
        late = [f"root {line}" for line in (note("finished", "nginx"), note("ended", ""), '{"event":"gone","part":1}')]
        early = [f"app {line}" for line in (head("prepare", "settle"), note("started", "unpack"))]
        first = [f"root {line}" for line in (head("provision", "prepare", "settle"), note("started", "nginx"))]
        rest = [note("finished", "unpack"), note("ended", ""), head("settle"), note("started", "drain"), note("ended", "")]
        for line in (*first, *early, "", *late, *(f"app {line}" for line in rest)):
            yield line.encode()

    async def go() -> list[str]:
        course, said = Course(str, "host"), []
        async for line in in_turn(lines(), course):
            if head := Head.read(line):
                course.begin(head)
                said.append(head.phase)
            elif line.startswith(b'{"time"') and (event := course.event(line)):
                said.append(str(getattr(event, "step", "")))
        course.end()
        return said

    assert asyncio.run(go()) == ["provision", "nginx", "nginx", "prepare", "unpack", "unpack", "settle", "drain"]


def test_a_tool_that_is_killed_between_two_phases_frees_the_lock(server: Sshd, state: PurePosixPath) -> None:
    process = operator(server, state, "true")
    while process.stdout and b'"ended"' not in Path(state / "journal.ndjson").read_bytes():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    until_free(state)


def test_a_frozen_link_between_two_phases_frees_the_lock(server: Sshd, wire: Wire, state: PurePosixPath) -> None:
    async def go() -> None:
        reach = Reach(server.through(wire.port))
        one = carrier(reach)
        assert told([event async for event in one.phase(program(state, "echo one"))]) == [">s0", "one", "<s0"]
        wire.freeze()
        await asyncio.to_thread(until_free, state, 12)
        wire.resume()
        await one.release()
        await reach.close()

    asyncio.run(go())


def test_nothing_to_join(server: Sshd, state: PurePosixPath) -> None:
    from chatops.errors import TargetError

    with pytest.raises(TargetError, match="nothing is being changed"):
        attached(server, state)


def test_ctrl_c_stops_between_two_steps(server: Sshd, state: PurePosixPath, tmp_path: Path) -> None:
    go = tmp_path / "go"

    async def main() -> None:
        reach = Reach(server.host)
        one = carrier(reach)
        task = asyncio.current_task()
        assert task is not None
        said = []
        try:
            async for event in together(
                {one: program(state, f"until [ -e {go} ]; do sleep 0.05; done; echo done", "echo never")}
            ):
                said.append(event)
                if len(said) == 1:
                    asyncio.get_running_loop().call_later(0.2, task.cancel)
                    asyncio.get_running_loop().call_later(0.6, go.touch)
        finally:
            assert told(said) == [">s0", "done", "<s0"]
            await one.release()
            await reach.close()

    with pytest.raises(Interrupted):
        asyncio.run(main())
    until_free(state)


@pytest.mark.parametrize("last", [False, True])
def test_ctrl_c_in_the_last_step_of_a_phase_is_not_forgotten(
    server: Sshd, state: PurePosixPath, tmp_path: Path, last: bool
) -> None:
    go = tmp_path / "go"

    async def main() -> None:
        reach = Reach(server.host)
        one = carrier(reach)
        task = asyncio.current_task()
        assert task is not None
        try:
            async for event in together({one: program(state, f"until [ -e {go} ]; do sleep 0.05; done")}, last=last):
                if isinstance(event, StepStarted):
                    asyncio.get_running_loop().call_later(0.2, task.cancel)
                    asyncio.get_running_loop().call_later(0.6, go.touch)
        finally:
            await one.release()
            await reach.close()

    if last:
        asyncio.run(main())
    else:
        with pytest.raises(Interrupted):
            asyncio.run(main())


def test_ctrl_c_twice_leaves_at_once(server: Sshd, state: PurePosixPath, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    alive.touch()

    async def main() -> float:
        reach = Reach(server.host)
        one = carrier(reach)
        task = asyncio.current_task()
        assert task is not None
        begun = 0.0
        try:
            async for _ in together({one: program(state, f"sleep 3; rm {alive}")}):
                begun = time.monotonic()
                asyncio.get_running_loop().call_later(0.1, task.cancel)
                asyncio.get_running_loop().call_later(0.3, task.cancel)
        except asyncio.CancelledError:
            task.uncancel()
        await one.release()
        await reach.close()
        return time.monotonic() - begun

    assert asyncio.run(main()) < 2
    assert alive.exists()
    assert not is_free(state)
    asyncio.run(asyncio.wait_for(gone(alive), 10))
    until_free(state)


def test_one_hosts_failure_stops_the_others(server: Sshd, tmp_path: Path) -> None:
    states = [PurePosixPath(tmp_path / str(number) / "state") for number in range(3)]

    async def main() -> None:
        reaches = [Reach(server.host) for _ in states]
        carriers = [carrier(reach) for reach in reaches]
        programs = [
            program(states[0], "echo bad; exit 1", proofs="s0"),
            *(program(state, "sleep 1", "echo never") for state in states[1:]),
        ]
        try:
            async for event in together(dict(zip(carriers, programs, strict=True))):
                assert not (isinstance(event, StepOutput) and event.line == "never")
        finally:
            await asyncio.gather(*(one.release() for one in carriers))
            await asyncio.gather(*(reach.close() for reach in reaches))

    with pytest.raises(Unhealthy, match="bad"):
        asyncio.run(main())
    for state in states:
        until_free(state)
        assert json.loads(Path(state / "journal.ndjson").read_text().splitlines()[-1])["event"] in {"gone", "ended"}


def test_what_a_step_prints_is_seen_while_it_runs(server: Sshd, state: PurePosixPath, tmp_path: Path) -> None:
    go = tmp_path / "go"

    def seen(event: Event) -> None:
        if isinstance(event, StepOutput) and event.line == "waiting":
            go.touch()

    carry(server, program(state, f"echo waiting; until [ -e {go} ]; do sleep 0.05; done"), seen=seen)
