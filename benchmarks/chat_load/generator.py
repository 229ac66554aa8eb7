"""The load generator `load.c`: compiled once, told what to do line by line."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.chat_load.subjects import CACHE

SOURCE = Path(__file__).with_name("load.c")
Answer = dict[str, Any]
# Of 1 to 99: before what other measurements may run at, and below the kernel's own 50.
PRIORITY = 20


class Generator:
    """Many clients in one process. Answers are dictionaries of what `load.c` says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def open(self, count: int, at_once: int = 64, rooms: int = 1, stalled: int = 0) -> Answer:
        """Connect `count` clients and join them to `rooms` rooms; the first `stalled` never read again."""
        answer = self._ask(f"open {count} {at_once} {rooms} {stalled}")
        if answer["failed"]:
            raise RuntimeError(f"{answer['failed']} of {count} clients did not join")
        return answer

    def send(self, rate: float, seconds: float, size: int = 100) -> Answer:
        """Send `rate` messages a second in all, and wait until everything has arrived or nothing more does."""
        return self._ask(f"send {rate} {seconds} {size}")

    def wait(self, seconds: float) -> int:
        """Only answer pings: how many clients are still connected after that."""
        return int(self._ask(f"wait {seconds}")["open"])

    def _ask(self, command: str) -> Answer:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        answer: Answer = json.loads(self._process.stdout.readline())
        return answer


@contextlib.contextmanager
def generator(dialect: str, sockets: Iterable[Path], tokens: Iterable[str] = ()) -> Iterator[Generator]:
    """A generator whose clients spread over `sockets`, each with one of `tokens` where there are any."""
    with contextlib.ExitStack() as stack:
        CACHE.mkdir(exist_ok=True)
        listed = CACHE / "tokens"
        listed.write_text("".join(f"{token}\n" for token in tokens))
        argv = [_compiled(), dialect, listed, *sockets]
        process = stack.enter_context(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        stack.callback(process.kill)
        yield Generator(process)


def signed_tokens(count: int, secret: str) -> list[str]:
    """Tokens as the sample chat reads them, for an hour, each for another name."""
    expires = time.time() + 3600
    return [_token({"name": f"user{number}", "exp": expires}, secret.encode()) for number in range(count)]


def allow_many_files(count: int) -> None:
    """Raise this process's limit of open files, which its children inherit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise RuntimeError(f"at most {hard} files may be open here, {count} are needed; `ulimit -Hn` says why")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def before_all_others() -> str:
    """Run this process and its children before all others of the machine, where that is allowed; says how they run."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except PermissionError:
        return f"at nice {os.nice(0)}: what else the machine does shows in latencies and rates"
    return "with real-time priority: other processes here do not decide, what else the hardware serves may"


def _token(claims: dict[str, Any], secret: bytes) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.digest(secret, body, "sha256")).rstrip(b"=")
    return f"{body.decode()}.{signature.decode()}"


def _compiled() -> Path:
    """Python and Node need more of a core for the clients than the server does for itself: hence C."""
    compiler = shutil.which("cc")
    if not compiler:
        raise RuntimeError("a C compiler is missing; `apt-get install gcc libc6-dev` brings one")
    program = CACHE / f"load-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
    if not program.exists():
        subprocess.run([compiler, "-O2", "-o", program, SOURCE], check=True, timeout=60)
    return program
