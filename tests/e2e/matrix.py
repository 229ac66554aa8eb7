"""A real host on which a step of a change is held while something goes wrong, and what must hold then."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.yard import Yard
from tests.rig.host import Host
from tests.rig.link import Link
from tests.rig.mirror import Mirror

STORE = "/var/lib/chatops/chat"
LOCK = f"{STORE}/lock"
FLAGS = "/run/chatops-flags"
AS_APP = 'runuser -u chat -- env -i HOME=/srv/chat PM2_HOME=/srv/chat/pm2 PATH="$PATH"'
SHIM = """#!/bin/sh
# Stands before `timeout`, with which every step is run: all but one step run as ever, and that one the second time.
for word; do last=$word; done
[ "$last" = action_{step} ] && mkdir {flags}/begun || exec /usr/bin/timeout "$@"
wait_for_it() {{
  count=0
  until [ -e {flags}/go ] || [ "$count" -ge 1200 ]; do sleep 0.05; count=$((count + 1)); done
}}
case {mode} in
  before) wait_for_it; exec /usr/bin/timeout "$@" ;;
  after) /usr/bin/timeout "$@"; code=$?; wait_for_it; exit "$code" ;;
  fails) echo 'this was made to fail'; exit 1 ;;
  fails-late) /usr/bin/timeout "$@"; echo 'this was made to fail'; exit 1 ;;
  hangs) exec /usr/bin/timeout -k 1 1 sh -c 'trap "" TERM; sleep 300; true' ;;
esac
"""


class Field(Yard):
    """A project with a host behind a link, whose steps can be held."""

    def __init__(self, folder: Path, hosts: Iterable[Host], wire: Link, mirror: Mirror, **block: Any) -> None:
        self.wire, self.mirror = wire, mirror
        self.number = 0
        super().__init__(folder, hosts, mirror, keep=2, **block)

    @property
    def place(self) -> str:
        """The host in the file's words."""
        return self.wire.address

    def entry(self, host: Host) -> dict[str, Any]:
        """A host's entry, that of `host` at the near end of the link."""
        near = {"address": self.wire.address, "port": self.wire.port} if host is self.host else {}
        return {**super().entry(host), **near}

    def settle(self) -> None:
        """Deploys until every later deploy has all steps: one set is warm, and one release too many is kept."""
        self.served()
        for _ in range(3):
            self.renew()
            self.deploy()

    def renew(self, *, modules: bool = False, secret: bool = False) -> None:
        """Changes the app; with `modules` its dependencies seem to have changed, with `secret` there is one more to make."""
        self.number += 1
        self.change(f"version {self.number}")
        if modules:
            for name in ("package.json", "package-lock.json"):
                path = self.folder / "app" / name
                path.write_text(json.dumps({**json.loads(path.read_text()), "version": f"9.0.{self.number}"}))
        if secret:
            self.secrets[f"MADE_{self.number}"] = {"generate": 16}
            self.configure()

    @contextmanager
    def held(self, step: str, mode: str) -> Iterator[None]:
        """For the block, a step waits once (`before` or `after` its action) until `go`, `fails`, or `hangs`."""
        shim = "/usr/local/bin/timeout"
        self.host.run(f"mkdir -m 1777 {FLAGS}")
        self.host.write(shim, SHIM.format(step=step, mode=mode, flags=FLAGS), "755")
        try:
            yield
        finally:
            self.host.run(f"rm -rf {shim} {FLAGS}")

    def go(self) -> None:
        """Lets the step that is held go on."""
        self.host.run(f"touch {FLAGS}/go")

    def until_free(self, seconds: float = 2.0) -> None:
        """Waits for the lock of each host; it must be free in time."""
        for host in self.hosts:
            host.run(f"timeout {seconds} flock {LOCK} true")

    def is_free(self) -> bool:
        """Whether nobody changes the host."""
        return self.host.run(f"flock -n {LOCK} true", check=False).code == 0

    def check_nothing_is_left(self, release: str, host: Host | None = None) -> None:
        """The release serves as it should, the one before is warm, and nothing else of ours runs or lies about."""
        script = Path(__file__).with_name("left.cjs").read_bytes()
        said = (host or self.host).run(f"{AS_APP} /srv/chat/runtime/current/bin/node -", input=script).out
        left = json.loads(said)
        assert left["live"].partition(".")[0] == release
        wanted = sorted(f"chat-{name}-{number}" for name in (left["live"], left["previous"]) if name for number in range(2))
        assert sorted(left["records"]) == wanted, said
        assert left["pm2"] == {name: ["online", pid] for name, pid in left["records"].items()}, said
        assert left["workers"] == sorted(left["records"].values()), said
        assert left["programs"] == [], said
        assert left["litter"] == [], said
        assert left["versions"] == [1, 1], said


class Fields:
    """One field for many cells; one that a cell has left in an unknown state is not used again."""

    def __init__(self, make: Callable[[ExitStack], Field]) -> None:
        self.make = make
        self.current: Field | None = None
        self.open = ExitStack()

    def take(self) -> Field:
        """The field, to be put back with `keep`."""
        field, self.current = self.current, None
        if field is None:
            self.open.close()
            field = self.make(self.open)
            field.settle()
        return field

    def keep(self, field: Field) -> None:
        """The field is as it was."""
        self.current = field


class Watch:
    """Asks the public address all the time, from outside and past the link; `releases` are those that answered."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.asked = 0
        self.failed: list[str] = []
        self.releases: set[str] = set()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.02):
            self.asked += 1
            try:
                with closing(self._field.connection()) as connection:
                    connection.request("GET", "/health")
                    answer = connection.getresponse()
                    body = answer.read()
                if answer.status == 200:
                    self.releases.add(json.loads(body)["release"])
                else:
                    self.failed.append(f"{time.strftime('%X')} {answer.status}")
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.failed.append(f"{time.strftime('%X')} {error}")
