"""Steps become one readable program; what it journals becomes events again."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops.events import Event, Notice, StepFailed, StepFinished, StepOutput, StepStarted
from chatops.program import Journal, ShellStep, compile_program
from chatops.redact import Redactor
from chatops.shell import words


def make(folder: Path, *steps: ShellStep) -> Path:
    program = folder / "a program.sh"
    paths = {"program": program, "journal": folder / "journal", "stop": folder / "stop"}
    program.write_text(compile_program("a test", steps, paths))
    return program


def run(folder: Path, *steps: ShellStep, secrets: tuple[str, ...] = ()) -> tuple[int, list[Event], Journal]:
    code = subprocess.run(["sh", make(folder, *steps)], check=False, timeout=30).returncode
    journal = Journal("prepare", {step.name: step.title for step in steps}, Redactor(secrets), time.time)
    events = [event for line in (folder / "journal").read_bytes().splitlines() if (event := journal.event(line))]
    return code, events, journal


def step(name: str, action: str, check: str = "false", limit: float = 10) -> ShellStep:
    return ShellStep(name=name, title=f"the {name}", check=check, action=action, limit=limit)


def test_steps_run_in_order_and_say_so(tmp_path: Path) -> None:
    code, events, journal = run(tmp_path, step("one", "echo hello"), step("two", "echo no", check="true"))
    assert [type(event) for event in events] == [StepStarted, StepOutput, StepFinished, StepStarted, StepFinished]
    assert (code, journal.code) == (0, 0)
    assert isinstance(events[1], StepOutput)
    assert events[1].line == "hello"
    assert [event.changed for event in events if isinstance(event, StepFinished)] == [True, False]


def test_a_failure_ends_it_and_its_last_words_are_the_reason(tmp_path: Path) -> None:
    steps = (step("one", "echo going\nls /nowhere/at/all\necho never"), step("two", "touch ran"))
    code, events, journal = run(tmp_path, *steps)
    assert (code, journal.code) == (4, 4)
    assert isinstance(events[-1], StepFailed)
    assert "/nowhere/at/all" in events[-1].message
    assert not (tmp_path / "ran").exists()


def test_a_step_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    begun = time.monotonic()
    code, events, _ = run(tmp_path, step("slow", "sleep 60 & sleep 60", limit=1))
    assert code == 4
    assert time.monotonic() - begun < 20
    assert isinstance(events[-1], StepFailed)
    assert "did not end in time" in events[-1].message


def test_the_file_stop_ends_it_between_two_steps(tmp_path: Path) -> None:
    stop = words(tmp_path / "stop")
    code, _, journal = run(tmp_path, step("one", f": >{stop}"), step("two", f": >{words(tmp_path / 'ran')}"))
    assert (code, journal.code) == (130, 130)
    assert not (tmp_path / "ran").exists()


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200).filter(lambda raw: b"\n" not in raw and b"\0" not in raw))
def test_any_output_survives_the_journal(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("journal")
    (folder / "raw").write_bytes(raw + b"\nend\n")
    _, events, _ = run(folder, step("one", f"cat {words(folder / 'raw')}"))
    lines = [event.line for event in events if isinstance(event, StepOutput)]
    assert len(lines) == 2
    assert lines[1] == "end"
    if raw.isascii() and raw.decode("ascii", "replace").isprintable():
        assert lines[0] == raw.decode()


def test_what_a_step_tells_is_a_notice(tmp_path: Path) -> None:
    """And no output: it is shown to whoever does not ask for that."""
    _, events, journal = run(tmp_path, step("one", "echo quiet\ntell 'a \"canary\"\tstays'"), secrets=("canary",))
    assert [event.message for event in events if isinstance(event, Notice)] == ['a "[redacted]"\tstays']
    assert [event.line for event in events if isinstance(event, StepOutput)] == ["quiet"]
    assert journal.last == "quiet"


def test_secrets_do_not_leave_the_journal(tmp_path: Path) -> None:
    _, events, _ = run(tmp_path, step("one", "echo token=hunter2hunter2; exit 1"), secrets=("hunter2hunter2",))
    assert "hunter2hunter2" not in repr(events)


def test_a_step_takes_as_long_as_it_took_however_late_it_is_read(tmp_path: Path) -> None:
    _, events, _ = run(tmp_path, step("one", "sleep 0.3"))
    assert isinstance(events[-1], StepFinished)
    assert events[-1].seconds >= 0.3


def test_torn_lines_are_passed_over() -> None:
    journal = Journal("prepare", {}, str, time.time)
    assert journal.event(b'{"time":1,"event":"sta') is None


def test_programs_are_clean_shell(tmp_path: Path) -> None:
    program = make(tmp_path, step("one", "echo 'it''s'\nmkdir -p x"))
    subprocess.run(["sh", "-n", program], check=True)
    subprocess.run([Path(sys.executable).with_name("shellcheck"), "--severity=warning", "--shell=sh", program], check=True)
