"""Which entries the log pane shows: target, worker, level and words, as one value over the tail's own filter."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chatops.board import Entry, Mark
from chatops.events import Level
from chatops.filters import RANKS, Filter, patterns

_EXCLUDE = re.compile(r"(?:^|\s+)!(?=\S)")


@dataclass(frozen=True, slots=True)
class Query:
    """An empty target or worker means all of them. Raises ConfigError (`filter()`) for what is no regular expression."""

    target: str = ""
    worker: str = ""
    level: Level = "debug"
    words: str = ""

    def filter(self) -> Filter:
        """The same filter that `logs --grep --exclude --level --worker` makes."""
        grep, *exclude = _EXCLUDE.split(self.words.strip())
        return Filter(
            workers=frozenset({self.worker} if self.worker else ()),
            level=self.level,
            grep=patterns([grep] if grep else []),
            exclude=patterns(exclude),
        )

    def keeps(self, filter: Filter, entry: Entry) -> bool:
        """Whether `entry` is shown; a mark is, unless it is of another target or too small."""
        if self.target and entry.target and entry.target != self.target:
            return False
        if isinstance(entry, Mark):
            return RANKS[entry.level] >= RANKS[self.level] or entry.kind in ("release", "finished", "user")
        return filter.passes(entry)
