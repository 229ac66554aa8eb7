"""Times as Heroku writes them."""

from datetime import UTC, datetime


def stamp() -> str:
    """Now, as in API answers: `2026-11-22T10:00:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def log_stamp() -> str:
    """Now, as on log lines: `2026-11-22T10:00:00.123456+00:00`."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
