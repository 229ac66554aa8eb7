"""YAML text as a tree of nodes with marks. Nothing is constructed, and no scalar is given a type here."""

from __future__ import annotations

from typing import Any

from yaml import AliasEvent, MarkedYAMLError, Node, ScalarNode
from yaml.composer import Composer
from yaml.error import Mark
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from chatops.config.report import START, Place, Report

DEEPEST = 20
"""How many levels a file may have."""

REFUSED = "refused"
"""The tag of a node that stands for one already reported."""

_HINTS = {
    "mapping values are not allowed here": "quote a value that holds `: `; check the indentation",
    "found character '\\t' that cannot start any token": "indent with spaces, not tabs",
    "cannot start any token": "quote the value",
    "could not find expected ':'": "write `key: value`",
    "expected <block end>": "check the indentation, and the quotes and brackets above",
    "expected a single document": "keep one document in the file: remove `---`",
    "found unexpected end of stream": "close the quote",
    "expected ',' or": "close the bracket; quote a value that holds brackets, such as `${NAME}`, inside them",
}


def compose(text: str, report: Report) -> Node:
    """The top node. Problems that leave the tree usable are noted; others raise ConfigError."""
    try:
        root: Node | None = _Loader(text, report).get_single_node()
    except MarkedYAMLError as error:
        _note_syntax(error, text, report)
        raise report.error() from error
    except (RecursionError, MemoryError) as error:
        report.add(START, "", "the file is nested too deeply")
        raise report.error() from error
    if root is not None:
        return root
    report.add(START, "", "the file is empty", "`chatops init --force` writes a commented one")
    raise report.error()


def start(node: Node) -> Place:
    """Where a node begins."""
    return _place(node.start_mark)


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to its composer, with no implicit types, and without anchors, aliases and tags."""

    def __init__(self, text: str, report: Report) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._report = report
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, AliasEvent):
            self._refuse(event, "aliases are not allowed", "write the value out")
            self.get_event()  # type: ignore[no-untyped-call]
            mark: Any = event.start_mark
            return ScalarNode(REFUSED, "", mark, mark)
        self._plain(event)
        self._depth += 1
        if self._depth > DEEPEST:
            raise MarkedYAMLError(problem=f"nested more than {DEEPEST} levels deep", problem_mark=event.start_mark)
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _plain(self, event: Any) -> None:
        if event.anchor is not None:
            self._refuse(event, "anchors are not allowed", "write the value out, or quote it")
        if event.tag is not None:
            self._refuse(event, "tags are not allowed", "quote a value that begins with `!`")
        event.anchor = event.tag = None

    def _refuse(self, event: Any, message: str, hint: str) -> None:
        self._report.add(_place(event.start_mark), "", message, hint)


def _note_syntax(error: MarkedYAMLError, text: str, report: Report) -> None:
    problem = error.problem or "can't be read as YAML"
    hint = next((hint for part, hint in _HINTS.items() if part in problem), "")
    report.add(_fault(error, text), "", problem, hint)


def _fault(error: MarkedYAMLError, text: str) -> Place:
    """Where the fault is; for something left open up to the end of the file, where it began."""
    mark = error.problem_mark
    if mark is None or (mark.index >= len(text.rstrip()) and error.context_mark):
        mark = error.context_mark
    return _place(mark) if mark else START


def _place(mark: Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)
