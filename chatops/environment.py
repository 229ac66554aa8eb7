"""The environment that an app's workers get: as the file that they read, and as a digest that tells two apart."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from chatops.model import Environment, Generate
from chatops.redact import Secret


def env_digest(env: Environment, salt: str) -> str:
    """Tells environments apart without telling what is in them: slow to guess where secrets are involved."""
    text = json.dumps({name: _text(value) for name, value in sorted(env.items())}).encode()
    return _stretched(text, salt, 100_000 if any(isinstance(value, Secret) for value in env.values()) else 1)


@cache  # 50 ms, and a fleet asks for each host
def _stretched(text: bytes, salt: str, rounds: int) -> str:
    return hashlib.pbkdf2_hmac("sha256", text, salt.encode(), rounds).hex()[:16]


def _text(value: str | Secret | Generate) -> str | int:
    if isinstance(value, Secret):
        return value.reveal()
    return value.length if isinstance(value, Generate) else value


def env_file(env: Environment) -> str:
    """The environment as launch.cjs reads it; what the host makes itself is not in it. Write it 0600, show it nobody."""
    given = {name: value for name, value in env.items() if not isinstance(value, Generate)}
    return json.dumps({name: value.reveal() if isinstance(value, Secret) else value for name, value in given.items()})
