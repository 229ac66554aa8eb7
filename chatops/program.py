"""Shell steps become one POSIX-sh program a phase; the journal it writes becomes events again.

The program runs detached, under a lock that its descriptor 9 holds, and goes on if whoever started it dies.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from chatops import errors, shell
from chatops.events import Event, Notice, StepFailed, StepFinished, StepOutput, StepStarted
from chatops.frozen import frozen
from chatops.goals import Step
from chatops.model import Lock
from chatops.sanitize import sanitize, sanitize_line

STOPPED = 130
FAILED = 4
ENDED = "ended"
"""The journal's last entry of a phase; without one, the program was killed."""


@frozen(kw_only=True)
class ShellStep(Step):
    """A step as POSIX-sh text: `check` exits 0 when there is nothing to do, else `action` does it (under `set -e`)."""

    check: str = "false"
    action: str = ":"


_RUNNER = r"""
note() {
  now=$(date +%s.%N)
  printf '{"time":%s,"event":"%s","step":"%s"%s}\n' "${now%.*N}" "$1" "$2" "${3-}" >>"$journal" # no %N on macOS
}
encode() {
  LC_ALL=C awk ${lively-} -v event="${2-output}" -v step="$1" -v ORS= '{
    line = substr($0, 1, 65536)
    gsub(/[\\"]/, "\\\\&", line)
    gsub(/\t/, "\\t", line)
    gsub(/[\001-\037]/, "?", line)
    print "{\"event\":\"" event "\",\"step\":\"" step "\",\"line\":\"" line "\"}\n" # one write: others append, too
    fflush()
  }' >>"$journal"
}
# What an action has to say to whoever watches, beside its output.
tell() { printf '%s\n' "$1" | encode "" notice; }
# Ends processes whose PM2 is gone by the ids they recorded, if those are still ours; what does not end by itself is killed.
end_recorded() {
  told=
  for record; do
    [ -e "$record" ] || continue
    pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$record")
    case $(ps -o command= -p "${pid:-0}" 2>/dev/null) in
      *launch.cjs* | *front.cjs*) ;;
      *) continue ;;
    esac
    case " $told " in *" $pid "*) continue ;; esac # a second signal would cut short what the first began
    if kill "$pid" 2>/dev/null; then told="$told $pid"; fi
  done
  tries=150 # 30 s in all; a worker takes 25 s at most
  for pid in $told; do
    while [ "$tries" -gt 0 ] && kill -0 "$pid" 2>/dev/null; do tries=$((tries - 1)) && sleep 0.2; done
    kill -KILL "$pid" 2>/dev/null || :
  done
}
limited() {
  if command -v timeout >/dev/null 2>&1; then timeout -k 5 "$@"; else shift; "$@"; fi
}
# NAME SECONDS [checked]: a step with a check is done only where that fails.
step() {
  if [ -e "$stop" ]; then note ended "$1" ',"code":130'; exit 130; fi
  note started "$1"
  if [ "${3-}" ] && limited "$2" sh "$program" "check_$1" >/dev/null 2>&1 </dev/null; then
    note finished "$1" ',"changed":false'
    return
  fi
  { { limited "$2" sh "$program" "action_$1"; echo $? >"$journal.code"; } 2>&1 </dev/null; } | encode "$1"
  code=1
  read -r code <"$journal.code" || code=1
  if [ "$code" -ne 0 ]; then
    note failed "$1" ",\"code\":$code"
    note ended "$1" ',"code":4'
    exit 4
  fi
  note finished "$1" ',"changed":true'
}
case ${1-} in
  check_* | action_*) set -e; "$1"; exit ;;
esac
case $(awk -W version 2>&1 </dev/null) in mawk*) lively="-W interactive" ;; *) lively="" ;; esac # it waits for 4 KiB
"""


def compile_program(title: str, steps: Sequence[ShellStep], variables: Mapping[str, object]) -> str:
    """The text of a phase's program. `variables` must hold `program`, `journal` and `stop` (paths); steps may use them all.

    It exits 0 when all steps are done, 4 when one failed, 130 when the file `stop` appeared between two steps.
    """
    lines = ["#!/bin/sh", f"# chatops: {title}. Exit codes: 0 done, 4 a step failed, 130 asked to stop.", "set -u", "umask 077"]
    lines += [shell.assign(name, value) for name, value in variables.items()]
    for step in steps:
        lines += [
            "",
            f"# {step.title}",
            *([_function(f"check_{step.name}", step.check)] if _checked(step) else []),
            _function(f"action_{step.name}", step.action),
        ]
    lines.append(_RUNNER)
    lines += [f"step {shell.words(step.name, int(step.limit), *['checked'] * _checked(step))}" for step in steps]
    return "\n".join([*lines, 'note ended "" \',"code":0\'', ""])


def _checked(step: ShellStep) -> bool:
    return step.check != "false"


def _function(name: str, body: str) -> str:
    """Not indented: a line may be part of a quoted text."""
    return f"{name}() {{\n{body.strip()}\n}}"


@dataclass(slots=True)
class Journal:
    """Reads journal lines of one phase on one host as events; keeps the last output for the message of a failure."""

    phase: str
    titles: Mapping[str, str]
    redact: Callable[[str], str]
    clock: Callable[[], float]
    host: str = ""
    code: int | None = None
    last: str = ""
    _begun: float = 0.0

    def event(self, line: bytes) -> Event | None:
        """The event of one line; None for the last entry (its exit code is then in `code`) and for a torn line."""
        try:
            entry = json.loads(line.decode("utf-8", "surrogateescape"))
        except ValueError:
            return None
        return self._event(entry.get("event"), str(entry.get("step", "")), entry)

    def _event(self, kind: str | None, step: str, entry: Mapping[str, object]) -> Event | None:
        now, title = self.clock(), self.titles.get(step, step)
        moment = entry.get("time")
        there = moment if isinstance(moment, float) else now  # whole seconds say less than our own clock
        common = {"phase": self.phase, "step": step, "host": self.host}
        if kind == "output":
            self.last = self._line(entry)
            return StepOutput(time=now, line=self.last, **common)
        if kind == "started":
            self._begun, self.last = there, ""
            return StepStarted(time=now, title=title, **common)
        if kind == "finished":
            changed = bool(entry.get("changed"))
            return StepFinished(time=now, title=title, changed=changed, seconds=max(0.0, there - self._begun), **common)
        if kind == "failed":
            message = self.last or f"exit code {entry.get('code')}"
            message = f"did not end in time ({message})" if entry.get("code") in {124, 137} else message
            return StepFailed(time=now, title=title, message=message, seconds=max(0.0, there - self._begun), **common)
        if kind == ENDED:
            self.code = int(str(entry.get("code")))
            return None
        told = kind == "notice"
        return Notice(time=now, message=self._line(entry) if told else sanitize(str(entry)), level="info" if told else "debug")

    def _line(self, entry: Mapping[str, object]) -> str:
        return self.redact(sanitize_line(str(entry.get("line", "")).encode("utf-8", "surrogateescape")))


def failure(event: StepFailed, proofs: Collection[str]) -> errors.StepFailed | errors.Unhealthy:
    """The error that a failed step stands for; `proofs` are the steps that are gates."""
    kind = errors.Unhealthy if event.step in proofs else errors.StepFailed
    return kind(f"{event.title}: {event.message}")


def judge(code: int | None, failed: errors.StepFailed | errors.Unhealthy | None) -> None:
    """Raises what a program's exit code means; None: it never said one."""
    if code is None:
        raise errors.UnknownOutcome("the program was killed before it said how it ended", "run the same command again")
    if code == STOPPED:
        raise errors.Interrupted("stopped between two steps")
    if code:
        raise failed or errors.StepFailed(f"the program ended with exit code {code}")


def locked(lock: Lock) -> errors.Locked:
    """The error that names who has the lock, and since when."""
    minutes, seconds = divmod(max(0, int(time.time() - lock.since)), 60)  # the clock there may be ahead
    since = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return errors.Locked(
        f"locked by {lock.who} ({lock.what}) for {since}", "`--wait-lock SECONDS` waits; `chatops attach` watches"
    )
