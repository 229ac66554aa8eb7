"""Carries programs out on this machine: ships what they need, starts them detached under the lock, follows the journal."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from chatops.attached import head
from chatops.environment import env_digest, env_file
from chatops.errors import StepFailed, TargetError, Unhealthy
from chatops.events import Event
from chatops.events import StepFailed as StepFailedEvent
from chatops.goals import Deploy, Phase, Plan
from chatops.pm2 import SCRIPTS
from chatops.private import write_private
from chatops.program import Journal, ShellStep, compile_program, failure, judge, locked
from chatops.redact import Redactor
from chatops.shell import words
from chatops.steps import Site
from chatops.targets.local.client.journal import POLL, follow
from chatops.targets.local.client.lock import held, taken
from chatops.targets.local.client.node import Node


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
        while not taken(file):
            if holder := held(self.state):
                file.close()
                raise locked(holder)
            await asyncio.sleep(POLL)  # somebody only looked who has it
        file.truncate(0)
        file.write(json.dumps({"who": who, "what": what, "since": time.time()}).encode())
        file.flush()
        self._lock = file
        (self.state / "stop").unlink(missing_ok=True)
        (self.state / "journal.ndjson").write_bytes(b"")

    def go_on(self) -> None:
        """Forgets that the program was asked to stop: what follows is the way back, under the same lock."""
        (self.state / "stop").unlink(missing_ok=True)

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
            write_private(Path(self.site.layout.env(digest)), env_file(plan.goal.env).encode())
            incoming = self.state / "incoming"
            shutil.rmtree(incoming, ignore_errors=True)
            incoming.mkdir(mode=0o700)
            _copy(plan.goal.release.archive, incoming / f"{plan.goal.release.id}.tar")

    async def phase(self, plan: Plan, phase: Phase) -> AsyncGenerator[Event, None]:
        """Starts the program of a phase and gives its events. Raises StepFailed, Interrupted or UnknownOutcome."""
        path = self.state / f"{phase.name}.sh"
        path.write_text(program(self.site, self.node, plan, phase))
        begun = head(plan, phase)
        with (self.state / "journal.ndjson").open("ab") as file:
            file.write(begun.line())
            start = file.tell()
        journal = Journal(phase.name, begun.titles, self.redact, time.time)
        failed: StepFailed | Unhealthy | None = None
        with self._started(path) as (child, ended):
            async for event in follow(self.state / "journal.ndjson", start, journal, ended, self.state / "stop"):
                failed = failure(event, begun.proofs) if isinstance(event, StepFailedEvent) else failed
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


def _copy(source: Path, to: Path) -> None:
    fresh = to.with_name(f"{to.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, fresh)
        fresh.rename(to)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StepFailed(f"can't write `{to}`: {error.strerror}", "is the disk full?") from None
