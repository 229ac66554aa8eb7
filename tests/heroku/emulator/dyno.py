"""One dyno: a process tree of its own, in a copy of the slug, with PORT, logs, a boot limit and 30 seconds to end."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.heroku.emulator import answers, groups, ports
from tests.heroku.emulator.catalog import Size
from tests.heroku.emulator.faults import Crash
from tests.heroku.emulator.model import App, Record, Release

if TYPE_CHECKING:
    from tests.heroku.emulator.cloud import Cloud
    from tests.heroku.emulator.streams import Output

READ_BYTES = 1 << 16
LOOK_EVERY = 0.05


class Dyno(Record):
    """A running (or starting, ending, crashed) dyno. Its log lines go to the app's channel, and to `output` if set."""

    def __init__(self, cloud: Cloud, app: App, release: Release, name: str, command: str, size: Size) -> None:
        super().__init__()
        self.cloud, self.app, self.release = cloud, app, release
        self.name, self.command, self.size = name, command, size
        self.type = name.split(".")[0]
        self.state = "starting"
        self.port = 0
        self.crashes = 0
        self.env: dict[str, str] = {}
        self.attach_url: str | None = None
        self.output: Output | None = None
        self.metrics = "log-runtime-metrics" in app.features
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []
        self.changed = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None
        self.reading: asyncio.Task[None] | None = None
        self.stopping = False
        self.replaced = False
        self.gone = asyncio.Event()
        self.folder = Path(cloud.folder / "dynos" / self.id)

    def answer(self) -> dict[str, Any]:
        return answers.times(self) | {
            "app": answers.brief(self.app), "attach_url": self.attach_url, "command": self.command, "name": self.name,
            "release": {"id": self.release.id, "version": self.release.version}, "size": self.size.name,
            "state": self.state, "type": self.type,
        }  # fmt: skip

    def become(self, state: str) -> None:
        """Changes the state, and says so in the log."""
        if state == self.state:
            return
        if not self.replaced:
            self.app.log.heroku(self.name, f"State changed from {self.state} to {state}")
        self.state = state
        self.touch()
        self.changed.set()
        self.changed = asyncio.Event()

    async def start(self, **streams: Any) -> None:
        """Starts the process; `streams` are standard input, output and error where they are not the log's."""
        self.cloud.live.add(self)
        await self._prepare()
        self.app.log.heroku(self.name, f"Starting process with command `{self.command}`")
        crash = self.cloud.faults.take(Crash, type=self.type)
        command = f"exit {crash.status}" if crash else self.command
        logged = {"stdin": asyncio.subprocess.DEVNULL, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
        self.process = await asyncio.create_subprocess_exec(
            "/bin/bash", "-c", command, cwd=self.folder, env=self.environment(), start_new_session=True, **(logged | streams)
        )
        if self.process.stdout and not streams:
            self.reading = self.cloud.spawn(self._read(self.process.stdout))
        if self.stopping:
            self.kill()
        elif self.type != "web":
            self.become("up")

    async def boot(self) -> bool:
        """Waits until a web dyno listens on its port (R10 after the limit); whether it does."""
        deadline = time.monotonic() + self.cloud.limits.boot
        while self.process and self.process.returncode is None and not self.stopping:
            if await self._listens():
                self.become("up")
                return True
            if time.monotonic() > deadline:
                self._fail_boot()
                return False
            await asyncio.sleep(LOOK_EVERY)
        return False

    async def wait(self) -> int:
        """The exit status, after the last line of output was read; nothing of the dyno is left then."""
        assert self.process is not None
        status = await self.process.wait()
        self.kill()
        self.close_idle()
        if self.reading:
            await asyncio.wait([self.reading], timeout=1)
        shutil.rmtree(self.folder, ignore_errors=True)
        code = 128 - status if status < 0 else status
        self.app.log.heroku(self.name, f"Process exited with status {code}")
        self.cloud.live.discard(self)
        self.gone.set()
        return code

    async def stop(self) -> None:
        """SIGTERM to all its processes, SIGKILL to what is left after the limit (R12)."""
        self.stopping = True
        if self.process is None or self.process.returncode is not None:
            return
        self.app.log.heroku(self.name, "Stopping all processes with SIGTERM")
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), self.cloud.limits.kill)
        except TimeoutError:
            seconds = int(self.cloud.limits.kill)
            late = f"At least one process failed to exit within {seconds} seconds of SIGTERM"
            self.app.log.heroku(self.name, f"Error R12 (Exit timeout) -> {late}")
            self.app.log.heroku(self.name, "Stopping remaining processes with SIGKILL")
            self.kill()

    def signal(self, sign: signal.Signals) -> None:
        if self.process and not self.gone.is_set():
            groups.send(self.process.pid, sign)

    def kill(self) -> None:
        """Ends it and whatever it started, at once."""
        self.signal(signal.SIGKILL)

    def close_idle(self) -> None:
        """Closes the connections that the router kept open."""
        for _, writer, _ in self.idle:
            writer.close()
        self.idle.clear()

    def environment(self) -> dict[str, str]:
        """What a process in a dyno finds: config vars, PORT, DYNO, and metadata where the app asked for it."""
        megabytes = str(self.size.memory)
        own = {
            "PATH": f"{self.cloud.node_folder}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), "DYNO": self.name,
            "PWD": str(self.folder), "NODE_ENV": "production", "MEMORY_AVAILABLE": megabytes, "WEB_MEMORY": "512",
            "WEB_CONCURRENCY": str(max(1, self.size.memory // 512)), "LANG": "C.UTF-8", "SHLVL": "0",
        }  # fmt: skip
        if self.type == "web":
            own["PORT"] = str(self.port)
        return own | self._metadata() | self.release.config | self.env

    def _metadata(self) -> dict[str, str]:
        """Labs feature `runtime-dyno-metadata` (devcenter.heroku.com/articles/dyno-metadata)."""
        if "runtime-dyno-metadata" not in self.app.features:
            return {}
        slug = self.release.slug
        return {
            "HEROKU_APP_ID": self.app.id, "HEROKU_APP_NAME": self.app.name, "HEROKU_DYNO_ID": self.id,
            "HEROKU_APP_DEFAULT_DOMAIN_NAME": self.app.host, "HEROKU_RELEASE_CREATED_AT": self.release.created_at,
            "HEROKU_RELEASE_VERSION": f"v{self.release.version}", "HEROKU_SLUG_COMMIT": (slug and slug.commit) or "",
            "HEROKU_SLUG_DESCRIPTION": f"Deploy {(slug and slug.commit) or ''}"[:15],
        }  # fmt: skip

    async def _prepare(self) -> None:
        """A folder of its own, because a dyno's files are its own and go with it."""
        source = self.release.slug.folder if self.release.slug else None
        if source:
            copying = await asyncio.create_subprocess_exec("cp", "-a", "--reflink=auto", source, self.folder)
            await copying.wait()
        else:
            self.folder.mkdir()
        self.port = ports.free()

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def _fail_boot(self) -> None:
        seconds = int(self.cloud.limits.boot)
        late = f"Web process failed to bind to $PORT within {seconds} seconds of launch"
        self.app.log.heroku(self.name, f"Error R10 (Boot timeout) -> {late}")
        self.app.log.heroku(self.name, "Stopping process with SIGKILL")
        self.kill()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while piece := await stream.read(READ_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            self._write(lines)
        self._write([rest] if rest else [])

    def _write(self, lines: list[bytes]) -> None:
        texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
        self.app.log.write("app", self.name, *texts)
        if self.output:
            self.output.write("".join(f"{text}\n" for text in texts))
