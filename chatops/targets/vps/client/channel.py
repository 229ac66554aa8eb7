"""One channel of a link: a remote shell that reads its script from standard input, past whatever a login shell prints."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing, suppress
from typing import Any

from chatops.errors import TargetError
from chatops.shell import assign, words
from chatops.streams import from_thread
from chatops.targets.vps.client.blocking import blocking

CHUNK = 32 * 1024
TURN = 0.2
"""How long one read waits before it looks at standard error, in seconds."""
NOISE = 1 << 20
"""How many bytes a login shell may print before our script begins."""
ERRORS = 64 * 1024
"""How many of the last bytes of standard error are kept."""
WAITING = 32
"""How many chunks wait for the consumer before the host is held back."""

_AS = (
    'if [ "$(id -un)" = "$user" ]; then set --; '
    'elif [ "$(id -u)" = 0 ]; then set -- setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --reset-env; '
    'else set -- sudo -n -H -u "$user"; fi; exec "$@" '
)


def command(script: bytes, mark: str, user: str = "", limit: float | None = None) -> str:
    """What the login shell, whichever it is, is told: a POSIX sh that says `mark` on both streams, then reads its script.

    The script itself is in no argument list. `head -c` takes exactly that many bytes and leaves the rest to the script.
    """
    say = f"printf '%s\\n' {mark}"
    begin = 'umask 077; cd /; export LC_ALL=C.UTF-8 TZ=UTC PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"'
    text = f'{begin}; script=$(head -c {len(script)}); {say}; {say} >&2; eval "$script"'
    bounded = words("timeout", "-k", 5, int(limit) + 1) if limit is not None else ""
    return as_user(user, f"{bounded} {words('/bin/sh', '-c', text)}".strip())


def as_user(user: str, line: str) -> str:
    """A command line (words, the first a program) run as `user`; "": as who logs in."""
    return "exec " + (words("/bin/sh", "-c", f"{assign('user', user)}; {_AS}{line}") if user else line)


class Opening:
    """A channel on its way. Others may use its link: who no longer waits for it closes it, and breaks nothing else off."""

    def __init__(self, session: Callable[[], Any]) -> None:
        self._session = session
        self._raw: Any = None
        self._unwanted = False

    def begin(self, line: str, script: bytes, terminal: tuple[str, int, int] | None) -> Any:
        """A channel of paramiko's on which `line` was begun and has been given `script`. Blocks."""
        self._raw = raw = self._session()
        if self._unwanted:
            raw.close()
            return raw
        if terminal:
            raw.get_pty(*terminal)
        raw.exec_command(line)
        with suppress(OSError):  # a shell that never begins says why on its way out
            raw.sendall(script)
        return raw

    def abort(self) -> None:
        """Nobody wants it any more."""
        self._unwanted = True
        if self._raw is not None:
            self._raw.close()


class Channel:
    """A script that runs on the host. Made by `Link.channel`; to be closed."""

    def __init__(self, raw: Any, mark: str, lost: Callable[[], TargetError | None], moved: Callable[[], object]) -> None:
        self._raw = raw
        self._moved = moved
        self._mark = mark.encode() + b"\n"
        self._lost = lost
        self._errors = b""

    @property
    def code(self) -> int:
        """How the script ended; -1: a signal ended it."""
        return int(self._raw.exit_status)

    @property
    def errors(self) -> bytes:
        """The last bytes it wrote to standard error."""
        return self._errors.partition(self._mark)[2]

    async def send(self, data: bytes | Iterable[bytes]) -> None:
        """Gives the script input; waits while the host does not take it. What a script that has ended leaves is dropped."""
        pieces = [data] if isinstance(data, bytes) else data
        await blocking(lambda: self._send(pieces), self.close)

    def _send(self, pieces: Iterable[bytes]) -> None:
        from chatops.targets.vps.client.faults import ERRORS

        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                try:
                    sent = self._raw.send(rest[:CHUNK])
                    rest = rest[sent:]
                    if sent > CHUNK // 2:  # what is small is taken by buffers here, whether or not anybody is there
                        self._moved()
                except TimeoutError:
                    continue
                except ERRORS:  # whoever reads is told
                    return

    async def end(self) -> None:
        """Ends the script's input."""
        await blocking(lambda: quietly(self._raw.shutdown_write), self.close)

    async def read(self) -> AsyncGenerator[bytes]:
        """What the script prints, as it comes, held back while nobody takes it. Raises TargetError when the link is lost."""
        waiting, noise = True, b""
        async with aclosing(from_thread(self._chunks(), self.close, WAITING)) as chunks:
            async for chunk in chunks:
                if not waiting:
                    yield chunk
                    continue
                _, mark, begun = (noise := noise + chunk).partition(self._mark)
                waiting = not mark
                if begun and not waiting:
                    yield begun
                if waiting and len(noise) > NOISE:
                    raise TargetError(
                        "the login shell there prints without end", "its rc files must be silent for `ssh HOST true`"
                    )
        if lost := self._lost():
            raise lost
        if waiting:
            raise self._never_began()

    def _never_began(self) -> TargetError:
        said = self._errors.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if said else f"exit code {self.code}"
        return TargetError(
            f"no shell can be started there: {reason}", "`ssh HOST true` must work, and `sudo -n true` where root is needed"
        )

    def _chunks(self) -> Iterator[bytes]:
        self._raw.settimeout(TURN)
        while (data := self._next()) != b"":
            if data:
                yield data
            self._keep_errors()
        self._raw.status_event.wait()
        self._keep_errors()

    def _next(self) -> bytes | None:
        """Empty at the end, None when nothing came in time."""
        try:
            data = bytes(self._raw.recv(CHUNK))
        except TimeoutError:
            return None
        self._moved()
        return data

    def _keep_errors(self) -> None:
        while self._raw.recv_stderr_ready():
            before, mark, said = (self._errors + self._raw.recv_stderr(CHUNK)).partition(self._mark)
            self._errors = mark + said[-ERRORS:] if mark else before[-NOISE:]

    def close(self) -> None:
        """Ends the channel, whatever runs there; does not wait."""
        asyncio.get_running_loop().run_in_executor(None, quietly, self._raw.close)


def quietly(call: Callable[[], object]) -> None:
    """Calls the library where the end of a link is no news."""
    from chatops.targets.vps.client.faults import ERRORS

    with suppress(*ERRORS):
        call()


def new_mark() -> str:
    """What no login shell prints by accident."""
    return secrets.token_hex(8)
