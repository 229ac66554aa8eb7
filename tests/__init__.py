"""The tests of this repository; a package, so that they can share `tests.needs` and `tests.servers`."""
