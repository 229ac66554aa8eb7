"""The platform's times and sizes, with Heroku's own values; tests shorten what they must wait for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, unless the name says otherwise."""

    boot: float = 60
    kill: float = 30
    first_byte: float = 30
    idle: float = 55
    dyno_keep_alive: float = 90
    hold_request: float = 75
    preboot: float = 180
    crash_cooldown: float = 1200
    stream_keep_alive: float = 10
    metrics: float = 20
    session_unopened: float = 300
    session_open: float = 3600
    provision: float = 1
    domain: float = 1
    source_expiry: float = 3600
    rate_tokens: int = 4500
    rate_per_minute: int = 75
    slug_bytes: int = 500_000_000
    log_lines: int = 1500
    line_bytes: int = 10_000
    tail_lines: int = 200_000


QUICK = Limits(boot=15, kill=5, preboot=1, crash_cooldown=2, stream_keep_alive=1, metrics=1, provision=0.2, domain=0.2)
"""For tests that must not wait for what real users wait for."""
