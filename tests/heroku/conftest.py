"""The suite with the real Heroku CLI is long: it runs only where it is asked for (`pytest -m heroku_cli`)."""

import pytest

MARKER = "heroku_cli"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}: the real Heroku CLI and heroku3 against the emulator (make test-heroku-cli)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if MARKER in (config.option.markexpr or ""):
        return
    left_out = [item for item in items if item.get_closest_marker(MARKER)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
