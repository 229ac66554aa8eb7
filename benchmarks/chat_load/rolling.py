"""Two workers restarted one after the other under a thousand clients that resume and resend, as the page does."""

import asyncio
import contextlib
import time
from dataclasses import dataclass

from benchmarks.chat_load.subjects import short_folder
from tests.sample_app.chatter import Chatter, chatters, converse
from tests.servers import Chat, start_chat

CLIENTS = 1000
SENDERS = 10
MESSAGES = 12
PAUSE_SECONDS = 0.8
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Rolling:
    """Seconds from the signal until everybody is connected again, the worse of two; messages summed over all readers."""

    back_seconds: float
    lost: int
    doubled: int


def measure() -> Rolling:
    with short_folder() as folder, contextlib.ExitStack() as stack:
        chats = [stack.enter_context(start_chat(folder, worker, {"LOG_LEVEL": "warn"})) for worker in ("w1", "w2")]
        return asyncio.run(_roll(chats))


async def _roll(chats: list[Chat]) -> Rolling:
    async with chatters(CLIENTS, lambda: [chat.socket for chat in chats]) as crowd:
        talk = asyncio.create_task(converse(crowd[:SENDERS], MESSAGES, PAUSE_SECONDS))
        seconds = [await _restart(chat, crowd) for chat in chats]
        await talk
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.gather(*(chatter.caught_up(SENDERS * MESSAGES) for chatter in crowd))
        lost = sum(SENDERS * MESSAGES - len(set(chatter.texts)) for chatter in crowd)
        doubled = sum(len(chatter.texts) - len(set(chatter.texts)) for chatter in crowd)
        return Rolling(max(seconds), lost, doubled)


async def _restart(chat: Chat, crowd: list[Chatter]) -> float:
    started = time.monotonic()
    await asyncio.to_thread(chat.process.stop)
    await asyncio.gather(*(chatter.ready.wait() for chatter in crowd))
    seconds = time.monotonic() - started
    await asyncio.to_thread(chat.process.start)
    return seconds
