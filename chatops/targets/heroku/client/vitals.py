"""How the dynos are: load and memory from the log's runtime metrics, CPU from the app's own private metrics.

Heroku has no metrics API: `log-runtime-metrics` writes load and memory into the log about every 20 s. CPU percent comes from
an app that answers `/metrics` to `Authorization: Bearer $OPS_TOKEN` in the Prometheus format, as the sample does.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx

from chatops.events import LogLine
from chatops.frozen import frozen
from chatops.health import client
from chatops.model import Worker
from chatops.redact import Secret
from chatops.targets.heroku.client import read
from chatops.targets.heroku.client.api import Api

EVERY = 5.0
"""Seconds between two looks: at one a second the token's budget (75 calls a minute) would be gone."""
TOKEN = "OPS_TOKEN"  # noqa: S105  the name of a config var
BODY_CAP = 1024 * 1024
_SAMPLE = re.compile(
    r'^(process_cpu_seconds_total|process_resident_memory_bytes)\{[^}]*worker="([^"]+)"[^}]*\} (\S+)', re.MULTILINE
)


@frozen
class Reading:
    """CPU seconds used since the process began, at a moment (monotonic seconds)."""

    moment: float
    seconds: float


class Vitals:
    """Remembers what was last seen of each dyno; asks the API at most every `EVERY` seconds."""

    def __init__(self, api: Api, path: str) -> None:
        self._api = api
        self._path = path
        self._asked = float("-inf")
        self._dynos: list[dict[str, Any]] = []
        self._private: tuple[str, Secret] | None = None
        self._known = False
        self._memory: dict[str, int] = {}
        self._cpu: dict[str, Reading] = {}
        self._percent: dict[str, float] = {}

    def heard(self, line: LogLine) -> None:
        """Takes what a runtime-metrics line tells."""
        memory = line.fields.get("memory_total") if line.source == "metrics" else None
        if isinstance(memory, int):
            self._memory[line.worker] = memory

    async def workers(self) -> Sequence[Worker]:
        """Every dyno of the formation, with its CPU and memory where they are known."""
        now = time.monotonic()
        if now - self._asked >= EVERY:
            self._asked = now
            self._dynos, _ = await asyncio.gather(self._api.all(f"{self._path}/dynos"), self._ask_app())
        return [self._with_figures(worker) for worker in read.workers(self._dynos, time.time())]

    def _with_figures(self, worker: Worker) -> Worker:
        return replace(worker, cpu_percent=self._percent.get(worker.name), memory_bytes=self._memory.get(worker.name))

    async def _ask_app(self) -> None:
        """As many requests as there are web dynos: the router sends each to one of them."""
        if not self._known:
            self._private, self._known = await self._address(), True
        if self._private is None:
            return
        url, token = self._private
        count = max(1, sum(dyno["type"] == "web" for dyno in self._dynos))
        async with client() as http:
            await asyncio.gather(*(self._ask(http, url, token) for _ in range(min(count, 10))))

    async def _address(self) -> tuple[str, Secret] | None:
        app, config = await asyncio.gather(self._api.get(self._path), self._api.get(f"{self._path}/config-vars"))
        if not app.get("web_url") or not config.get(TOKEN):
            return None
        return app["web_url"].rstrip("/") + "/metrics", Secret(config[TOKEN])

    async def _ask(self, http: httpx.AsyncClient, url: str, token: Secret) -> None:
        """An app without metrics is one without CPU figures."""
        try:
            async with http.stream("GET", url, headers={"Authorization": f"Bearer {token.reveal()}"}) as answer:
                body = b""
                async for piece in answer.aiter_raw():
                    body += piece
                    if len(body) > BODY_CAP:
                        return
        except httpx.HTTPError:
            return
        if answer.is_success:
            self._take(body.decode("utf-8", "replace"), time.monotonic())

    def _take(self, text: str, now: float) -> None:
        for name, worker, value in _SAMPLE.findall(text):
            if name == "process_resident_memory_bytes":
                self._memory[worker] = int(_number(value))
            else:
                self._used(worker, Reading(now, _number(value)))

    def _used(self, worker: str, new: Reading) -> None:
        """Percent of one core between two looks; a new process begins at zero."""
        old = self._cpu.get(worker)
        if old and new.seconds >= old.seconds and new.moment > old.moment:
            self._percent[worker] = 100 * (new.seconds - old.seconds) / (new.moment - old.moment)
        self._cpu[worker] = new


def _number(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def secrets(config: Mapping[str, str], named: Sequence[str]) -> list[str]:
    """The values that must not be shown: those the file calls secrets, and URLs that hold a password, with the password."""
    urls = [value for value in config.values() if re.match(r"[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@", value)]
    passwords = [value.split("@")[0].rpartition(":")[2] for value in urls]
    return [*(config[name] for name in named if name in config), *urls, *passwords]
