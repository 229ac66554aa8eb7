"""A small app, its target on an emulator, and changes carried out as the commands do: for tests of the Heroku target."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatops.errors import ChatopsError
from chatops.events import Event, Finished, StepFailed, StepFinished, StepOutput, StepStarted
from chatops.execute import execute
from chatops.goals import Deploy, Goal
from chatops.model import App, Environment, Generate
from chatops.pack import pack
from chatops.redact import Secret
from chatops.targets.heroku.config import Block
from chatops.targets.heroku.target import HerokuTarget, make
from tests.blocks import block_of
from tests.heroku.emulator import QUICK, Emulator, Limits

CANARY = "canary-5b1d9e02c7"
EVERYTHING = {
    "buildpacks": ["heroku/nodejs"], "addons": ["heroku-redis:mini"], "domains": ["chat.example.com"],
    "drains": ["https://logs.example.com/in"],
}  # fmt: skip
CHANGES = [
    ("POST", "/apps"), ("PATCH", "/apps/*/features/*"), ("PUT", "/apps/*/buildpack-installations"),
    ("POST", "/apps/*/addons"), ("POST", "/apps/*/log-drains"), ("PATCH", "/apps/*/config-vars"), ("POST", "/sources"),
    ("POST", "/apps/*/builds"), ("PATCH", "/apps/*/formation"), ("POST", "/apps/*/domains"), ("POST", "/apps/*/acm"),
]  # fmt: skip
"""Every call of a first deploy that changes something."""
SERVER = """
const http = require('http'), mode = MODE;
console.log('token ' + process.env.API_TOKEN);
const server = http.createServer((request, response) => {
  const ok = mode !== 'sick' || request.url !== '/health';
  response.writeHead(ok ? 200 : 500, {'content-type': 'application/json'});
  response.end(JSON.stringify({status: ok ? 'pass' : 'fail', release: process.env.HEROKU_RELEASE_VERSION, text: 'TEXT'}));
});
server.keepAliveTimeout = 95000;
process.on('SIGTERM', () => process.exit(0));
if (mode === 'crash') { console.error('no database here'); process.exit(7); }
if (mode !== 'deaf') server.listen(process.env.PORT);
"""


def write_app(folder: Path, text: str = "one", mode: str = "well", **files: str) -> Path:
    """An app without dependencies; `text` makes another release of it."""
    folder.mkdir(exist_ok=True)
    server = SERVER.replace("TEXT", text).replace("MODE", repr(mode))
    usual = {"Procfile": "web: node server.js\n", "package.json": '{"name":"small","version":"1.0.0"}', "server.js": server}
    for name, content in {**usual, **files}.items():
        (folder / name).write_text(content)
    return folder


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with these values, and without them again."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@dataclass
class Stage:
    """An emulator, and a folder with an app and a file's worth of settings for it; `meanwhile` is done when a step begins."""

    heroku: Emulator
    folder: Path
    events: list[Event] = field(default_factory=list)
    meanwhile: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)

    def target(self, **block: Any) -> HerokuTarget:
        """A new target object, as each command makes one."""
        app = App("chat", self.folder / "app", secrets={"API_TOKEN": Generate(1)})
        return make("heroku", block_of(Block, {"app": "my-chat", **block}), app, self.folder)

    @asynccontextmanager
    async def opened(self, **block: Any) -> AsyncIterator[HerokuTarget]:
        """The target, closed at the end."""
        target = self.target(**block)
        try:
            yield target
        finally:
            await target.close()

    async def change(self, goal: Goal, **block: Any) -> Finished:
        """Inspects, plans, executes; the events are kept."""
        async with self.opened(**block) as target:
            state = await target.inspect()
            plan = target.plan(state, goal)
            self.events = []
            async with aclosing(execute(target, state, plan)) as events:
                async for event in events:
                    self.events.append(event)
                    if isinstance(event, StepStarted) and (deed := self.meanwhile.pop(event.step, None)):
                        await deed()
        finished = self.events[-1]
        assert isinstance(finished, Finished)
        return finished

    async def deploy(self, text: str = "one", mode: str = "well", env: Environment | None = None, **block: Any) -> Finished:
        """Deploys the app with this text in it."""
        release = pack(write_app(self.folder / "app", text, mode))
        usual: Environment = {"API_TOKEN": Secret(CANARY)} if env is None else env
        return await self.change(Deploy(release, usual), **block)

    async def ending(self, **block: Any) -> tuple[int, str, str]:
        """Exit code, error and hint of a deploy of something new, however it ends."""
        try:
            finished = await self.deploy("two", **block)
        except ChatopsError as error:
            return error.exit_code, error.message, error.hint
        return finished.exit_code, finished.error, finished.hint

    @property
    def output(self) -> str:
        """Every line that the last change told."""
        return "\n".join(event.line for event in self.events if isinstance(event, StepOutput))

    @property
    def failed(self) -> list[str]:
        """The steps of the last change that failed."""
        return [event.step for event in self.events if isinstance(event, StepFailed)]

    @property
    def done(self) -> list[str]:
        """The steps of the last change that were done."""
        return [event.step for event in self.events if isinstance(event, StepFinished)]

    def calls(self, since: int = 0) -> list[tuple[str, str]]:
        """API requests from a position on."""
        return self.heroku.requests[since:]


Story = Callable[[Stage], Awaitable[None]]


def act(folder: Path, story: Story, limits: Limits = QUICK, seconds: float = 120) -> None:
    """Plays a story on an emulator of its own."""

    async def play() -> None:
        async with Emulator(limits) as heroku:
            with environment({"HEROKU_API_URL": heroku.api_url, "HEROKU_API_KEY": heroku.token}):
                async with asyncio.timeout(seconds):
                    await story(Stage(heroku, folder))

    asyncio.run(play())
