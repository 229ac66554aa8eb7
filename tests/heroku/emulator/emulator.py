"""The emulator as an object: `async with Emulator()`, or `with running_emulator()` beside a synchronous test."""

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

from tests.heroku.emulator import api, faults, lifecycle, metrics, nodes, router, uploads
from tests.heroku.emulator.api.logs import SESSIONS
from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.faults import Fault
from tests.heroku.emulator.limits import QUICK, Limits
from tests.heroku.emulator.model import Account, App
from tests.heroku.emulator.oneoff import Rendezvous
from tests.heroku.emulator.web import CLOUD, FRONT, INJECT, Front, serve

LARGEST_BODY = 1 << 20


class Emulator:
    """One Heroku of its own, on ephemeral loopback ports; everything in it ends with it."""

    def __init__(self, limits: Limits = QUICK, port: int = 0, strict: bool = True) -> None:
        """`strict`: leaving raises AssertionError where an answer broke the official schema or a part failed."""
        self.limits = limits
        self.strict = strict
        self.token = f"HRKU-{secrets.token_hex(16)}"
        self._wanted_port = port

    async def __aenter__(self) -> "Emulator":
        self._loop = asyncio.get_running_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="hk"))
        self.folder.chmod(0o755)
        self.cloud = Cloud(self.folder, self.limits, self.token, nodes.folder(self.folder))
        self.cloud.build_env = nodes.npm_settings()
        for name in ("dynos", "slugs", "uploads", "addons", "home"):
            (self.folder / name).mkdir()
        self.front = Front(self.cloud)
        self._rendezvous = Rendezvous(self.cloud)
        await self._rendezvous.open()
        await self._listen()
        self.cloud.spawn(metrics.run(self.cloud))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for app in list(self.cloud.apps.values()):
            await lifecycle.remove(self.cloud, app)
        await self.cloud.close()
        self._rendezvous.close()
        self._shared.close()
        await self._runner.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None and self.strict:
            assert not self.front.violations, "answers that break the schema:\n" + "\n".join(self.front.violations)
            assert not self.cloud.bugs, f"parts of the emulator failed: {self.cloud.bugs}"

    @property
    def api_url(self) -> str:
        """What HEROKU_API_URL (and the CLI's HEROKU_HOST) must be."""
        return self.cloud.base_url

    @property
    def account(self) -> Account:
        """Whose token it is: tests set `verified`, `suspended`, `delinquent`."""
        return self.cloud.account

    @property
    def ca_file(self) -> Path:
        """The certificate authority of the rendezvous server, for clients to trust."""
        return self._rendezvous.ca_file

    @property
    def router_url(self) -> str:
        """The address where the Host header says which app is meant."""
        return f"http://127.0.0.1:{self._shared.sockets[0].getsockname()[1]}"

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of every API request so far."""
        return self.front.requests

    def app(self, name: str) -> App:
        """The app as the platform keeps it. Raises Refused where there is none."""
        return self.cloud.app(name)

    def inject(self, fault: Fault) -> None:
        """Makes something fail; see `faults` for what can."""
        self.cloud.faults.add(fault)

    def heal(self) -> None:
        """Takes back every fault that was injected."""
        self.cloud.faults.clear()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function` gives when the emulator's own thread calls it: for tests beside a running emulator."""

        async def called() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(10)

    def take_name(self, name: str) -> None:
        """Gives an app name to somebody else."""
        self.cloud.foreign.add(name)

    async def _listen(self) -> None:
        application = web.Application(middlewares=[serve], client_max_size=LARGEST_BODY)
        application[CLOUD], application[FRONT] = self.cloud, self.front
        application[uploads.UPLOADS], application[SESSIONS] = uploads.Uploads(self.cloud), {}
        api.add_to(application)
        application.add_routes(uploads.routes)
        application.router.add_post(INJECT, self._inject)
        self._runner = web.AppRunner(application, shutdown_timeout=1, keepalive_timeout=120)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._wanted_port)
        await site.start()
        self.cloud.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._shared = await router.open_shared_port(self.cloud)

    async def _inject(self, request: web.Request) -> web.Response:
        """POST /__inject `{"fault": "Refuse", "status": 503, "path": "/apps/*/builds"}`; an empty object heals."""
        body = await request.json()
        if not body:
            self.heal()
            return web.json_response({"set": []})
        try:
            self.inject(faults.from_json(body))
        except (ValueError, TypeError) as error:
            return web.json_response({"message": str(error)}, status=422)
        return web.json_response({"set": [repr(fault) for fault in self.cloud.faults.set]})


@contextlib.contextmanager
def running_emulator(**options: Any) -> Iterator[Emulator]:
    """An Emulator in a thread of its own; `inject`, `heal` and reading its state are safe from outside."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="heroku", daemon=True)
    thread.start()
    emulator = Emulator(**options)
    try:
        asyncio.run_coroutine_threadsafe(emulator.__aenter__(), loop).result(60)
        try:
            yield emulator
        finally:
            asyncio.run_coroutine_threadsafe(emulator.__aexit__(None, None, None), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def client_environment(emulator: Emulator) -> dict[str, str]:
    """The environment of a client that must reach this emulator and nothing else."""
    inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return inherited | {
        "HEROKU_API_URL": emulator.api_url, "HEROKU_HOST": emulator.api_url, "HEROKU_API_KEY": emulator.token,
        "SSL_CERT_FILE": str(emulator.ca_file), "NODE_EXTRA_CA_CERTS": str(emulator.ca_file),
    }  # fmt: skip
