"""What is said and asked before a target is changed."""

from __future__ import annotations

import pytest

from chatops.cli.change import _agree
from chatops.cli.invocation import Invocation
from chatops.errors import ConfigError
from chatops.goals import Phase, Plan, Remove, Step

GONE = Plan(Remove(False), (Phase("settle", (Step(name="gone", title="delete the app"),)),), notices=("add-ons go with it",))


def test_what_is_lost_is_said_before_the_name_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="asks for the target's name"):
        _agree(Invocation(), "heroku", GONE, yes=False)
    assert "! add-ons go with it" in capsys.readouterr().err
