"""A stage for browser tests: real chat workers behind one address that outlives them, and people in headless Chromium."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from playwright.async_api import Browser, BrowserContext, Page, Request, ViewportSize, async_playwright, expect

from tests.needs import need
from tests.servers import Chat, launch_chat

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 90_000
"""How long the browser may take for one thing: two cores may also be busy with whole servers being installed."""
expect.set_options(timeout=20_000)
WIDE = ViewportSize(width=1100, height=720)


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


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser, without a window."""
    program = need("chromium", "chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


async def visit(name: str, context: BrowserContext, address: str) -> Person:
    """A person who has entered the chat at `address`."""
    context.set_default_timeout(PATIENCE_MS)
    person = Person(name, await context.new_page())
    person.watch()
    await person.enter(address)
    return person


class Stage:
    """Workers, their front, and the browser; leaves nothing behind."""

    def __init__(self) -> None:
        self.front = Front()
        self.people: list[Person] = []
        self._folder = Path(tempfile.mkdtemp(prefix="cp"))
        self._workers: list[Chat] = []
        self._exit = contextlib.AsyncExitStack()
        self._browser: Browser

    async def __aenter__(self) -> Self:
        self._exit.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._exit.callback(self._close_workers)
        await self.front.start()
        self._exit.push_async_callback(self.front.stop)
        await self.serve("r1")
        self._browser = await self._exit.enter_async_context(chromium())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.front.port}/"

    async def serve(self, release: str) -> None:
        """Start a worker of `release` and send new connections to it."""
        worker = await asyncio.to_thread(launch_chat, self._folder, f"chat-{release}", {"RELEASE": release})
        self._workers.append(worker)
        self.front.target = worker.socket

    async def stop_serving(self, *, kill: bool = False) -> None:
        """Nobody answers any more."""
        self.front.target = None
        for worker in self._workers:
            await asyncio.to_thread(worker.process.kill if kill else worker.process.stop)

    @property
    def worker(self) -> Chat:
        return self._workers[-1]

    async def visitor(self, *, dark: bool = False, size: ViewportSize = WIDE) -> BrowserContext:
        scheme = "dark" if dark else "light"
        return await self._browser.new_context(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]

    async def person(self, name: str, context: BrowserContext | None = None) -> Person:
        """A person who has entered the chat."""
        person = await visit(name, context or await self.visitor(), self.address)
        self.people.append(person)
        return person

    def _close_workers(self) -> None:
        for worker in self._workers:
            worker.process.close()


@contextlib.asynccontextmanager
async def two_people() -> AsyncIterator[tuple[Stage, Person, Person]]:
    """The usual scene; nothing unexpected may have happened on any page when it ends."""
    async with Stage() as stage:
        yield stage, await stage.person("ana"), await stage.person("bo")
        assert [alarm for person in stage.people for alarm in person.alarms] == []


async def talk(people: tuple[Person, Person], texts: range) -> list[str]:
    """Both say something in turn; what was said, in order."""
    said = []
    for number in texts:
        for person in people:
            await person.say(f"{person.name} {number}")
            said.append(f"{person.name} {number}")
    return said


def assert_once_and_in_order(seen: list[str], said: list[str]) -> None:
    """Nothing is missing or doubled, and what one person said is in the order in which it was said."""
    assert sorted(seen) == sorted(said)
    for name in ("ana", "bo"):
        mine = [text for text in said if text.startswith(name)]
        assert [text for text in seen if text.startswith(name)] == mine


async def assert_both_see(people: tuple[Person, Person], said: list[str]) -> None:
    """All that was said is on both screens, numbered without a hole, and nothing waits to be sent."""
    for person in people:
        assert_once_and_in_order(await person.sees(len(said)), said)
        assert await person.sequence() == list(range(1, len(said) + 1))
        await expect(person.page.locator("#pending li")).to_have_count(0)


COUNT_BANNERS = """() => {
  const banner = document.getElementById('banner')
  globalThis.bannersShown = 0
  new MutationObserver(() => { bannersShown += banner.hidden ? 0 : 1 }).observe(banner, { attributes: true })
}"""
"""Counts in `bannersShown` how often a page has told its reader of a lost connection."""
