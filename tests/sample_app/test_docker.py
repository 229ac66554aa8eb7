"""The sample's Dockerfile: it builds, runs as nobody special, says when it is healthy, and drains when it is stopped."""

import time
from collections.abc import Iterator

import pytest

from tests.rig.engine import Engine
from tests.rig.process import wait_until
from tests.sample_app.image import Container, build, container

pytestmark = pytest.mark.faults
DRAIN_SECONDS = 25

# A client inside the container, where `ws` is: joins, says something, and ends with the acknowledgement.
CLIENT = """
const { WebSocket } = require('ws')
const ws = new WebSocket('ws://127.0.0.1:8080/ws')
ws.on('open', () => ws.send(JSON.stringify({ type: 'hello', name: 'ana', rooms: { lobby: 0 } })))
ws.on('message', (data) => {
  const frame = JSON.parse(data)
  console.log(frame.type, JSON.stringify(frame.messages?.map(({ text }) => text) ?? ''))
  if (frame.type === 'presence') ws.send(JSON.stringify({ type: 'send', room: 'lobby', text: 'kept', cid: '12345678' }))
  if (frame.type === 'ack') process.exit()
})
"""

# Another one, which joins and stays, whatever it is told.
DEAF = """
const { WebSocket } = require('ws')
const ws = new WebSocket('ws://127.0.0.1:8080/ws')
ws.on('open', () => ws.send(JSON.stringify({ type: 'hello', name: 'deaf', rooms: { lobby: null } })))
ws.on('message', () => require('fs').writeFileSync('/tmp/joined', ''))
"""


@pytest.fixture(scope="module")
def made(engine: Engine) -> str:
    return build(engine)


@pytest.fixture
def chat(engine: Engine, made: str) -> Iterator[Container]:
    with container(engine, made) as running:
        yield running


def health(chat: Container) -> str:
    return str(chat.state["Health"]["Status"])


def test_it_builds_runs_as_nobody_special_and_drains_when_stopped(engine: Engine, chat: Container) -> None:
    wait_until("the container is healthy", lambda: health(chat) == "healthy", 40)
    assert chat.run("id", "-u").strip() == "1000"
    assert chat.run("sh", "-c", "touch /app/x 2>/dev/null || echo read-only").strip() == "read-only"
    assert "ack" in chat.run("node", "-e", CLIENT)
    engine.docker("exec", "--detach", chat.name, "node", "-e", DEAF)
    wait_until("somebody is there", lambda: "joined" in chat.run("ls", "/tmp"), 10)  # noqa: S108
    started = time.monotonic()
    engine.docker("stop", "--time", "30", chat.name)
    assert time.monotonic() - started < DRAIN_SECONDS
    assert (chat.state["Status"], chat.state["ExitCode"]) == ("exited", 0)
    said = [line for line in chat.log() if line["msg"] in ("stopping", "client gone", "stopped")][-3:]
    assert [(line["msg"], line.get("code")) for line in said] == [("stopping", None), ("client gone", 1012), ("stopped", None)]
    engine.docker("start", chat.name)
    wait_until("the container is healthy again", lambda: health(chat) == "healthy", 40)
    assert '"kept"' in chat.run("node", "-e", CLIENT)


def test_a_container_whose_store_is_away_becomes_unhealthy(engine: Engine, made: str) -> None:
    options = (
        "--env",
        "DATABASE_URL=postgres://nobody@127.0.0.1:1/x",
        "--health-interval",
        "1s",
        "--health-start-period",
        "1s",
    )
    with container(engine, made, *options) as chat:
        wait_until("the container is unhealthy", lambda: health(chat) == "unhealthy", 40)
        assert chat.state["Status"] == "running"
