"""A project folder as a user has it, with the real `chatops` command run in it; everything in it is ended afterwards."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from chatops.targets.local.client.place import short
from tests.e2e.project import Project
from tests.needs import need_node
from tests.servers import free_port

SERVER = """
const http = require('node:http'), fs = require('node:fs')
const answer = process.env.ANSWER ?? '200'
if (answer === 'crash') { console.error('cannot read the settings'); process.exit(3) }
const release = answer === 'wrong' ? 'another' : process.env.RELEASE
const server = http.createServer((request, response) => {
  if (request.url === '/health') response.writeHead(answer === '500' ? 500 : 200, {'content-type': 'application/json'})
  response.end(request.url === '/health' ? JSON.stringify({status: 'pass', release}) : fs.readFileSync('text'))
})
if (answer !== 'silent') server.listen(process.env.PORT)
else setInterval(() => {}, 1000)
console.log('up')
process.on('SIGINT', () => process.exit(0))
process.on('SIGTERM', () => process.exit(0))
"""


class Place(Project):
    """A folder with chatops.yaml, an app and a target `local`."""

    def __init__(self, folder: Path, app: str | None) -> None:
        super().__init__(folder, CHATOPS_NODE=str(need_node()))
        self.port = free_port()
        self.app = folder / "app" if app is None else None
        if self.app:
            self.app.mkdir()
            (self.app / "server.cjs").write_text(SERVER)
            (self.app / "Procfile").write_text("web: node server.cjs\n")
            self.write("first")
        self.configure()

    @property
    def root(self) -> Path:
        """The name under which processes know the target's folder."""
        return short(self.folder / ".chatops" / "local")

    def configure(self, workers: int = 2, **env: str) -> None:
        """Writes the file anew."""
        app = "path: app" if self.app else "websocket: /ws"
        values = json.dumps(env)
        text = f"version: 1\napp:\n  name: chat\n  {app}\n  env: {values}\n  secrets: {{TOKEN: {{generate: 24}}}}\n"
        (self.folder / "chatops.yaml").write_text(f"{text}targets:\n  local: {{workers: {workers}, port: {self.port}}}\n")

    def write(self, text: str) -> None:
        """Changes the app: what its page says."""
        assert self.app
        (self.app / "text").write_text(text)

    def page(self, path: str = "/") -> str:
        """What users get."""
        import urllib.request

        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """Users who ask for the page all the time, each on a new connection; the list says what they got instead of it."""
        failures: list[str] = []
        ended = threading.Event()

        def ask() -> None:
            while not ended.wait(0.02):
                try:
                    self.page()
                except OSError as error:
                    failures.append(str(error))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield failures
        finally:
            ended.set()
            asking.join()

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this folder."""
        mine = []
        for process in psutil.process_iter(["cmdline"]):
            if f"{self.root}/" in " ".join(process.info["cmdline"] or ()):
                mine.append(process)
        return mine

    def notes(self) -> str:
        """What helps to understand a failure."""
        files = [self.folder / ".chatops/local/state/journal.ndjson", self.folder / ".chatops/local/pm2/pm2.log"]
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in files if path.exists())

    def end(self) -> None:
        """Ends what is left, PM2 first, and what a shell has started for a worker last."""
        left = sorted(self.processes(), key=lambda process: "God Daemon" not in " ".join(process.info["cmdline"]))
        for process in tuple(left):
            with suppress(psutil.NoSuchProcess):
                left += process.children(recursive=True)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)


@contextmanager
def place(folder: Path, app: str | None = None) -> Iterator[Place]:
    """A place for the block; `app` "sample": the bundled chat instead of the tiny app."""
    made = Place(folder, app)
    try:
        yield made
    finally:
        made.end()
