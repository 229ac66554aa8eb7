"""Fixtures that any test may ask for; each is made on first use."""

pytest_plugins = ["tests.rig.fixtures"]
