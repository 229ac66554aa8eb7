"""The file `chatops.yaml`: read strictly, typed by what is wanted, every problem at once and at its place."""

from chatops.config.bundled import bundled_example, bundled_sample
from chatops.config.file import Entry
from chatops.config.load import Config, find, load

__all__ = [
    "Config",
    "Entry",
    "bundled_example",
    "bundled_sample",
    "find",
    "load",
]
