"""The platform's state, and what every part of it may need: limits, faults, folders, background work."""

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.heroku.emulator.errors import Refused, invalid, missing, unverified
from tests.heroku.emulator.faults import Faults
from tests.heroku.emulator.limits import Limits
from tests.heroku.emulator.model import Account, App, Record
from tests.heroku.emulator.streams import Output

if TYPE_CHECKING:
    from tests.heroku.emulator.dyno import Dyno
    from tests.heroku.emulator.oneoff import Rendezvous

CLOSE_WITHIN = 5.0
log = logging.getLogger(__name__)


class Cloud:
    """Everything that exists, in memory; `folder` holds slugs, dynos and uploads."""

    def __init__(self, folder: Path, limits: Limits, token: str, node_folder: Path) -> None:
        self.folder = folder
        self.limits = limits
        self.token = token
        self.node_folder = node_folder
        self.base_url = ""
        self.build_env: dict[str, str] = {}
        self.rendezvous: Rendezvous
        self.ports: dict[str, asyncio.Server] = {}
        self.account = Account()
        self.faults = Faults()
        self.apps: dict[str, App] = {}
        self.live: set[Dyno] = set()
        self.foreign: set[str] = set()
        self.outputs: dict[str, Output] = {}
        self.background: set[asyncio.Task[Any]] = set()
        self.bugs: list[BaseException] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs in the background until it ends or the platform closes; an exception there is a bug of the emulator."""
        running = asyncio.create_task(work)
        self.background.add(running)
        running.add_done_callback(self._ended)
        return running

    def output(self, kind: str) -> Output:
        """A new stream under `/streams/ID`."""
        made = Output(kind)
        self.outputs[made.id] = made
        return made

    def app(self, identity: str) -> App:
        """By name or id. Raises Refused: 404, or 403 for an app of somebody else."""
        for app in self.apps.values():
            if identity in (app.name, app.id):
                return app
        if identity in self.foreign:
            raise Refused(403, message=f"You do not have access to the app {identity}.")
        raise missing("app")

    def demand_name(self, name: str) -> None:
        """Raises Refused (422) when the app name is taken."""
        if name in self.apps or name in self.foreign:
            raise invalid(f"Name {name} is already taken")

    def demand_verified(self, what: str) -> None:
        if not self.account.verified:
            raise unverified(what)

    async def close(self) -> None:
        """Ends every dyno, then what runs in the background."""
        dynos = list(self.live)
        for dyno in dynos:
            dyno.stopping = True
            dyno.kill()
        if dynos:
            await asyncio.wait([asyncio.create_task(dyno.gone.wait()) for dyno in dynos], timeout=CLOSE_WITHIN)
        running = list(self.background)
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, work: asyncio.Task[Any]) -> None:
        self.background.discard(work)
        if not work.cancelled() and (error := work.exception()):
            log.error("background work failed", exc_info=error)
            self.bugs.append(error)


def find(records: list[Any], identity: str, what: str, *names: str) -> Any:
    """The record whose id, or one of whose attributes `names`, is `identity`. Raises Refused (404)."""
    for record in records:
        if isinstance(record, Record) and identity in (record.id, *(str(getattr(record, name)) for name in names)):
            return record
    raise missing(what)
