"""Log drains: lines posted to an HTTP address in logplex's framing (devcenter.heroku.com/articles/log-drains)."""

import asyncio

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.logplex import Filter, Line, follow
from tests.heroku.emulator.model import App, Drain, new_id

TIMEOUT = ClientTimeout(total=5, connect=3)
PRIORITIES = {"app": 190, "heroku": 45}
ROUTER_PRIORITY = 158
TRIES = 3


async def feed(cloud: Cloud, app: App, drain: Drain) -> None:
    """Posts every new line, until the drain is removed; says how many it lost where the other side takes none."""
    tail = app.log.tail(Filter())
    async with ClientSession(timeout=TIMEOUT) as session:
        async for batch in follow(app.log, tail, cloud.limits.stream_keep_alive):
            if batch and not await _post(session, drain, batch):
                lost = f"drain '{drain.token}' dropped {len(batch)} messages since {batch[0].time}"
                app.log.heroku("logplex", f"Error L10 (output buffer overflow): {lost}.")


async def _post(session: ClientSession, drain: Drain, batch: list[Line]) -> bool:
    headers = {
        "Content-Type": "application/logplex-1", "Logplex-Msg-Count": str(len(batch)), "Logplex-Frame-Id": new_id(),
        "Logplex-Drain-Token": drain.token, "User-Agent": "Logplex/v72",
    }  # fmt: skip
    body = b"".join(_frame(line) for line in batch)
    for attempt in range(TRIES):
        try:
            async with session.post(drain.url, data=body, headers=headers) as answer:
                if answer.status < 500:
                    return True
        except (ClientError, TimeoutError):
            await asyncio.sleep(0.2 * 2**attempt)
    return False


def _frame(line: Line) -> bytes:
    priority = ROUTER_PRIORITY if line.process == "router" else PRIORITIES.get(line.source, 45)
    message = f"<{priority}>1 {line.time} host {line.source} {line.process} - {line.message}\n".encode()
    return b"%d %s" % (len(message), message)
