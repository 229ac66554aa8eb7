"""Which entries the log pane shows: target, worker, level and words, as one value over the tail's own filter."""

from __future__ import annotations

import re
from collections.abc import Callable

from chatops.board import Entry, Mark
from chatops.events import Level
from chatops.filters import RANKS, Filter, patterns
from chatops.frozen import frozen

_EXCLUDE = re.compile(r"(?:^|\s+)!(?=\S)")


@frozen
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

    def keep(self) -> Callable[[Entry], bool]:
        """What is shown, as a function: lines that pass; marks, unless they are of another target or too small."""
        filter, target = self.filter(), self.target
        if filter == Filter():
            return lambda entry: not target or not entry.target or entry.target == target

        def keeps(entry: Entry) -> bool:
            if target and entry.target and entry.target != target:
                return False
            return _stands(entry, filter.level) if isinstance(entry, Mark) else filter.passes(entry)

        return keeps


def _stands(mark: Mark, level: Level) -> bool:
    return RANKS[mark.level] >= RANKS[level] or mark.kind in ("release", "finished", "user")
