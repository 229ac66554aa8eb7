"""A rolling restart with a thousand clients: nobody loses or doubles a message, and all are back soon."""

import asyncio
import time
from pathlib import Path

from tests.sample_app.chatter import Chatter, chatters, check_dense, converse
from tests.servers import Chat, start_chat

CLIENTS = 1000
SENDERS = 10
MESSAGES = 12
BACK_SECONDS = 10
# What it is when the code is loaded; V8 would let it grow to twice that.
YOUNG_BYTES = 16 << 20


async def restart(chat: Chat, crowd: list[Chatter]) -> float:
    """Restart one worker; the seconds until everybody is connected again after it has ended."""
    assert await asyncio.to_thread(chat.process.stop) == 0
    started = time.monotonic()
    await asyncio.to_thread(chat.process.start)
    await asyncio.gather(*(chatter.ready.wait() for chatter in crowd))
    return time.monotonic() - started


def test_a_thousand_clients_survive_a_rolling_restart(folder: Path) -> None:
    async def session(chats: list[Chat]) -> list[float]:
        async with chatters(CLIENTS, lambda: [chat.socket for chat in chats]) as crowd:
            talk = asyncio.create_task(converse(crowd[:SENDERS], MESSAGES, 0.5))
            seconds = [await restart(chat, crowd) for chat in chats]
            await talk
            await check_dense(crowd, SENDERS * MESSAGES, 60)
            assert sum(chatter.connections for chatter in crowd) > CLIENTS
            assert max(chat.metric("nodejs_heap_space_size_total_bytes", space="new") for chat in chats) <= YOUNG_BYTES
            return seconds

    with start_chat(folder, "w1") as one, start_chat(folder, "w2") as other:
        assert max(asyncio.run(session([one, other]))) < BACK_SECONDS
        drains = [line["seconds_stopping"] for chat in (one, other) for line in chat.log if line["msg"] == "stopped"]
        assert max(drains) < 25
