"""Carries programs out on this machine: ships what they need, starts them detached under the lock, follows the journal."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from chatops.environment import env_digest, env_file
from chatops.errors import StepFailed, TargetError, Unhealthy
from chatops.events import Event
from chatops.events import StepFailed as StepFailedEvent
from chatops.model import Deploy, Lock, Phase, Plan
from chatops.pm2 import SCRIPTS
from chatops.program import Journal, ShellStep, compile_program, failure, judge, locked
from chatops.redact import Redactor
from chatops.sanitize import sanitize
from chatops.shell import words
from chatops.steps import Site
from chatops.targets.local.client.node import Node

POLL = 0.02


def variables(site: Site, node: Node, phase: str) -> dict[str, object]:
    """What the program of a phase is told: where it lies itself, and the Node that runs the scripts."""
    state = Path(site.layout.state)
    return {"program": state / f"{phase}.sh", "journal": state / "journal.ndjson", "stop": state / "stop", "node": node.program}


def program(site: Site, node: Node, plan: Plan, phase: Phase) -> str:
    """The text of a phase's program."""
    title = f"{type(plan.goal).__name__.lower()} {site.app.name}, phase {phase.name}"
    steps = [step for step in phase.steps if isinstance(step, ShellStep)]
    text = compile_program(title, steps, variables(site, node, phase.name))
    npm = f'PATH={words(node.program.parent)}:"$PATH"\nnpm() {{ {words(*node.npm)} "$@"; }}'
    return text.replace("\n\n", f"\n{npm}\n\n", 1)


@dataclass(slots=True)
class Carrier:
    """Does the phases of one plan after the other; holds the lock from the first to `release()`."""

    site: Site
    node: Node
    redact: Redactor = field(default_factory=Redactor)
    _lock: BinaryIO | None = None

    @property
    def state(self) -> Path:
        """Where lock, journal and programs lie."""
        return Path(self.site.layout.state)

    async def lock(self, what: str, who: str) -> None:
        """Takes the kernel lock; raises Locked with the holder's name when somebody else has it."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (self.state / "lock").open("a+b")
        while not _taken(file):
            if holder := held(self.state):
                file.close()
                raise locked(holder)
            await asyncio.sleep(POLL)  # somebody only looked who has it
        file.truncate(0)
        file.write(json.dumps({"who": who, "what": what, "since": time.time()}).encode())
        file.flush()
        self._lock = file
        for name in ("stop", "phase.json"):
            (self.state / name).unlink(missing_ok=True)
        (self.state / "journal.ndjson").write_bytes(b"")

    def release(self) -> None:
        """Gives the lock back, as far as we hold it; a program that still runs keeps it."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def ship(self, plan: Plan) -> None:
        """Brings our scripts, and for a deploy the archive and the environment (0600)."""
        scripts = Path(self.site.scripts)
        if not scripts.exists():
            fresh = scripts.with_name(f"{scripts.name}.{os.getpid()}")
            shutil.copytree(SCRIPTS, fresh)
            fresh.rename(scripts)
        if isinstance(plan.goal, Deploy) and plan.changes:
            digest = env_digest(plan.goal.env, self.site.app.name)
            _write_private(Path(self.site.layout.env(digest)), env_file(plan.goal.env).encode())
            incoming = self.state / "incoming"
            shutil.rmtree(incoming, ignore_errors=True)
            incoming.mkdir(mode=0o700)
            _copy(plan.goal.release.archive, incoming / f"{plan.goal.release.id}.tar")

    async def phase(self, plan: Plan, phase: Phase) -> AsyncGenerator[Event, None]:
        """Starts the program of a phase and gives its events. Raises StepFailed, Interrupted or UnknownOutcome."""
        path = self.state / f"{phase.name}.sh"
        path.write_text(program(self.site, self.node, plan, phase))
        titles = {step.name: step.title for step in phase.steps}
        (self.state / "phase.json").write_text(json.dumps({"phase": phase.name, "titles": titles}))
        journal = Journal(phase.name, titles, self.redact, time.time)
        start = (self.state / "journal.ndjson").stat().st_size
        failed: StepFailed | Unhealthy | None = None
        proofs = {step.name for step in phase.steps if step.proves}
        with self._started(path) as (child, ended):
            async for event in follow(self.state / "journal.ndjson", start, journal, ended, self.state / "stop"):
                failed = failure(event, proofs) if isinstance(event, StepFailedEvent) else failed
                yield event
            child.wait()
        judge(child.returncode if journal.code is None and child.returncode > 0 else journal.code, failed)

    @contextmanager
    def _started(self, path: Path) -> Iterator[tuple[subprocess.Popen[bytes], asyncio.Event]]:
        """The program, detached, and what tells that it has ended: nobody holds the other end of a pipe any more."""
        reader, writer = os.pipe()
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            child = self._start(path, writer)
            loop.add_reader(reader, ended.set)
            yield child, ended
        finally:
            loop.remove_reader(reader)
            os.close(reader)

    def _start(self, path: Path, ended: int) -> subprocess.Popen[bytes]:
        """Detached, in a session of its own, with the lock as descriptor 9: it ends by itself whatever happens to us."""
        if self._lock is None:
            raise TargetError("the lock is not held")
        command = ["/bin/sh", "-c", 'exec 9<&0 </dev/null; exec sh "$0"', str(path)]
        try:
            return subprocess.Popen(  # noqa: S603  our own program
                command,
                stdin=self._lock,
                stdout=ended,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={"HOME": str(Path.home()), **os.environ},  # cron and units may have none
            )
        finally:
            os.close(ended)


async def follow(
    path: Path, offset: int, journal: Journal, ended: asyncio.Event, stop: Path | None = None
) -> AsyncGenerator[Event, None]:
    """The journal's events until its phase ends.

    Cancelled once, it asks the program by the file `stop` to end after the current step; cancelled again, or without
    that file to make, it leaves.
    """
    rest = b""
    with path.open("rb") as file:
        file.seek(offset)
        while journal.code is None:
            over = ended.is_set()
            data = file.read()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if event := journal.event(line):
                    yield event
            if not data:
                if over:
                    return
                await _pause(ended, stop)


async def _pause(ended: asyncio.Event, stop: Path | None) -> None:
    task = asyncio.current_task()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await ended.wait()
    except asyncio.CancelledError:
        if task is None or stop is None or stop.exists():
            raise
        stop.touch()
        task.uncancel()


def held(state: Path) -> Lock | None:
    """Who holds the lock now; None when nobody does."""
    try:
        with (state / "lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                value = json.loads(file.read() or b"{}")
                return Lock(value.get("who", "somebody"), value.get("what", "a change"), value.get("since", time.time()))
    except (OSError, ValueError):
        return None
    return None


def _taken(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def join(state: Path) -> AsyncGenerator[Event, None]:
    """The events of the phase that runs now and of those that follow while the lock is held."""
    path, offset = state / "journal.ndjson", 0
    ended = asyncio.Event()
    watching = asyncio.create_task(_until_free(state, ended))
    try:
        while not ended.is_set():
            if (state / "phase.json").exists():
                value = json.loads((state / "phase.json").read_bytes())
                journal = Journal(value["phase"], value["titles"], sanitize, time.time)
                async for event in follow(path, offset, journal, ended):
                    yield event
                offset = path.stat().st_size
            await asyncio.sleep(POLL)
    finally:
        watching.cancel()


async def _until_free(state: Path, ended: asyncio.Event) -> None:
    while not ended.is_set():
        if held(state) is None:
            ended.set()
        await asyncio.sleep(POLL)


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.rename(path)


def _copy(source: Path, to: Path) -> None:
    fresh = to.with_name(f"{to.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, fresh)
        fresh.rename(to)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StepFailed(f"can't write `{to}`: {error.strerror}", "is the disk full?") from None
