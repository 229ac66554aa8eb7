"""What a reader that stops reading costs, while its room goes on."""

import threading
from dataclasses import dataclass

from benchmarks.chat_load.generator import generator
from benchmarks.chat_load.subjects import Subject, running

READERS = 20
STALLED = 20
MESSAGES_PER_SECOND = 800
SIZE = 1000
SECONDS = 5.0
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Stalled:
    """Per stalled reader, at the highest: bytes that wait in its socket, and memory beyond that of a run without any."""

    waiting_bytes: float
    memory_bytes: float


@dataclass
class Peak:
    """The highest values seen of a server's waiting bytes and memory."""

    waiting: float = 0
    memory: float = 0

    def look(self, subject: Subject) -> None:
        self.waiting = max(self.waiting, subject.metric("chat_send_buffer_bytes"))
        self.memory = max(self.memory, subject.memory())


def measure(name: str) -> Stalled:
    calm, stalled = _run(name, 0), _run(name, STALLED)
    return Stalled(stalled.waiting / STALLED, max(0, stalled.memory - calm.memory) / STALLED)


def _run(name: str, stalled: int) -> Peak:
    with running(name, {"MESSAGES_PER_SECOND": "1000"}) as subject, generator(subject.dialect, [subject.socket]) as clients:
        clients.open(READERS + stalled, stalled=stalled)
        peak, done = Peak(), threading.Event()
        watcher = threading.Thread(target=_watch, args=(subject, peak, done))
        watcher.start()
        clients.send(MESSAGES_PER_SECOND, SECONDS, SIZE)
        done.set()
        watcher.join()
        return peak


def _watch(subject: Subject, peak: Peak, done: threading.Event) -> None:
    while not done.wait(SAMPLE_SECONDS):
        peak.look(subject)
