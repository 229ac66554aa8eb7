"""Every trap of YAML that we know of, and generated files: whatever comes, only our own error with a place in the file."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatops import config
from chatops.config.report import Report
from chatops.config.scalars import typed
from chatops.config.shape import Shape
from chatops.config.source import LARGEST, decode
from chatops.config.tree import compose
from chatops.config.values import Values
from chatops.config.variables import Variables, interpolate
from chatops.errors import ConfigError
from chatops.model import FromCommand, FromEnv, FromFile, Generate
from chatops.sanitize import sanitize
from tests.blocks import data_of

BASE = "version: 1\napp: {name: chat}\ntargets: {local: {}}\n"
IN_ENV = "version: 1\ntargets: {local: {}}\napp:\n  name: chat\n  env:\n    A: "


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests of this module write their file, one after the other."""
    return tmp_path_factory.mktemp("traps") / "chatops.yaml"


def refused(file: Path, content: str | bytes) -> list[str]:
    """What is said of a file, without its name."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    return [f"{problem}".removeprefix(f"{file}:") for problem in caught.value.problems]


TRAPS = {
    "empty": ("", "1:1: the file is empty"),
    "only a comment": ("# nothing\n", "1:1: the file is empty"),
    "a list": ("- a\n", "1:1: must be a mapping of `key: value` lines"),
    "text": ("chatops", "1:1: must be a mapping of `key: value` lines"),
    "alias": (BASE + "x-a: *gone\n", "4:6: aliases are not allowed"),
    "anchor": (BASE + "x-a: &a 1\n", "4:6: anchors are not allowed"),
    "python tag": (IN_ENV + "!!python/object/apply:os.system [ls]\n", "6:8: tags are not allowed"),
    "own tag": (IN_ENV + "!secret x\n", "6:8: tags are not allowed"),
    "str tag": (IN_ENV + "!!str 1\n", "6:8: tags are not allowed"),
    "lone tag": (IN_ENV + "! 1\n", "6:8: tags are not allowed"),
    "merge key": (BASE + "<<: {x: 1}\n", "4:1: <<: unknown key"),
    "two documents": (BASE + "---\n" + BASE, "4:1: but found another document"),
    "duplicate at the top": (BASE + "version: 1\n", "4:1: version: is there twice"),
    "duplicate of the user's own": (BASE + "x-a: {b: 1, b: 2}\n", "4:13: x-a.b: is there twice"),
    "duplicate in quotes": (IN_ENV + "x\n    'A': y\n", "7:5: app.env.A: is there twice"),
    "list as key": (BASE + "[a]: 1\n", "4:1: a key must be text"),
    "template": (IN_ENV + "{{ x }}\n", "6:9: app.env.A: a key must be text"),
    "empty key": (BASE + "'': 1\n", "4:1: a key is empty"),
    "tab": ("version: 1\n\tapp: x\n", "2:1: found character '\\t' that cannot start any token"),
    "at sign": (IN_ENV + "@here\n", "6:8: found character '@' that cannot start any token"),
    "backtick": (IN_ENV + "`x`\n", "6:8: found character '`' that cannot start any token"),
    "percent": (IN_ENV + "%x\n", "6:8: found character '%' that cannot start any token"),
    "colon in a value": (IN_ENV + "a: b: c\n", "6:9: mapping values are not allowed here"),
    "open quote": (IN_ENV + '"abc\n', "6:8: found unexpected end of stream"),
    "open bracket": (BASE + "x-a: [1, 2\n", "4:6: expected ',' or ']', but got '<stream end>'"),
    "escape in a value": (IN_ENV + '"\\e[31m"\n', None),
    "NUL by escape": (IN_ENV + '"a\\0b"\n', "6:8: app.env.A: holds a NUL or half a surrogate pair"),
    "half a surrogate": (IN_ENV + '"\\ud800"\n', "6:8: app.env.A: holds a NUL or half a surrogate pair"),
    "half a surrogate as key": (BASE + '"\\udfff": 1\n', "4:1: a key holds a NUL or half a surrogate pair"),
    "ESC": (IN_ENV + "a\x1b[2J\n", "6:9: control or invisible character \\x1b"),
    "NUL": (b"version: 1\n\0", "2:1: control or invisible character \\x00"),
    "lone CR": (BASE + "# harmless\rdefault_target: x\n", "4:11: control or invisible character \\x0d"),
    "NEL": (BASE + "# harmless\x85default_target: x\n", "4:11: control or invisible character \\x85"),
    "line separator": (BASE + "# harmless\u2028default_target: x\n", "4:11: control or invisible character \\u2028"),
    "right to left": (IN_ENV + "a\u202eb\n", "6:9: control or invisible character \\u202e"),
    "byte order mark inside": (IN_ENV + "a\ufeffb\n", "6:9: control or invisible character \\ufeff"),
    "Latin-1": (b"version: 1\napp: {name: caf\xe9}\n", "2:16: byte 0xe9 is not UTF-8"),
    "UTF-16": (BASE.encode("utf-16"), "1:1: byte 0xff is not UTF-8"),
    "too large": (b"#" * (LARGEST + 1), "1:1: the file has 262145 bytes; 262144 are the limit"),
    "deep lists": ("x-a: " + "[" * 1000, "1:25: nested more than 20 levels deep"),
    "deep mappings": ("x-a: " + "{a: " * 1000, "1:79: nested more than 20 levels deep"),
    "wrong YAML version": ("%YAML 3.0\n---\n" + BASE, "1:1: found incompatible YAML document (version 1.* is required)"),
}


@pytest.mark.parametrize(("content", "expected"), TRAPS.values(), ids=TRAPS)
def test_trap(file: Path, content: str | bytes, expected: str | None) -> None:
    if expected is None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        config.load(file)
    else:
        assert expected in refused(file, content)


def test_a_bomb_of_aliases_is_refused_at_once(file: Path) -> None:
    lines = ["x-a: &a [lol, lol, lol, lol]"] + [
        f"x-{n}: &{n} [*{p}, *{p}, *{p}, *{p}]" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert len(refused(file, "\n".join(lines))) >= 9 + 8


def test_crlf_and_a_leading_byte_order_mark_are_fine(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert config.load(file).app.name == "chat"


@pytest.mark.parametrize("key", ["on", "yes", "true", "null", "~", "1", "22:22"])
def test_keys_are_text_as_written(file: Path, key: str) -> None:
    assert refused(file, BASE + f"{key}: 1\n")[0] == f"4:1: {key}: unknown key"


def test_what_is_echoed_is_safe_and_short(file: Path) -> None:
    said = refused(file, BASE + '"a\\e]0;title\\a\\u202e' + "b" * 500 + '": 1\n')
    assert said == ["4:1: a\\x1b]0;title\\x07\\u202e" + "b" * 47 + "…: unknown key"]


TYPED: list[tuple[str, bool, set[str], Any]] = [
    ("12", True, {"integer"}, 12),
    ("12", False, {"integer"}, 12),
    ("12", True, {"string"}, "12"),
    ("12", True, {"string", "integer"}, 12),
    ("12", False, {"string", "integer"}, "12"),
    ("-0", True, {"integer"}, "-0"),
    ("012", True, {"integer"}, "012"),
    ("1_0", True, {"integer"}, "1_0"),
    ("+1", True, {"integer"}, "+1"),
    ("1.0", True, {"integer"}, "1.0"),
    ("१", True, {"integer"}, "१"),
    ("1.5", True, {"number"}, 1.5),
    ("nan", True, {"number"}, "nan"),
    ("1e3", True, {"number"}, "1e3"),
    ("true", True, {"boolean"}, True),
    ("true", False, {"boolean"}, "true"),
    ("yes", True, {"boolean"}, "yes"),
    ("True", True, {"boolean"}, "True"),
    ("true", True, {"string"}, "true"),
    ("", True, {"string"}, None),
    ("", False, {"string"}, ""),
    ("~", True, {"string"}, "~"),
    ("~", True, {"string", "null"}, None),
    ("~", False, {"string", "null"}, "~"),
    ("5", True, set(), 5),
    ("1.10", True, set(), "1.10"),
    ("false", True, set(), False),
]


@pytest.mark.parametrize(("text", "plain", "types", "expected"), TYPED)
def test_typed(text: str, plain: bool, types: set[str], expected: Any) -> None:
    found = typed(text, plain, types)
    assert (found, type(found)) == (expected, type(expected))


# ---------------------------------------------------------------- generated files

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EXAMPLE = config.bundled_example().read_text()
ODD = ["\x1b[", "\u2028", "\ud7ff", "é", "𐏿", '"\\ud800"', '"\\0"', "''"]
PIECES = st.sampled_from([*"\n\t :-?[]{}#&*!|>'\"%@`,$~\\\r\0", "  ", "\n  ", "- ", ": ", "${A", "${A:-}", "<<: ", *ODD])


def outcome(file: Path, content: bytes) -> config.Config | None:
    """The loaded file, or None for one that is refused in the way it must be."""
    file.write_bytes(content)
    try:
        return config.load(file)
    except ConfigError as error:
        lines = content.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        assert error.problems
        assert list(error.problems) == sorted(error.problems, key=lambda problem: (problem.line, problem.column))
        for problem in error.problems:
            assert 1 <= problem.line <= len(lines), problem
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem
            assert problem.message
            shown = f"{problem}{problem.hint}"
            assert sanitize(shown) == shown
            assert shown.encode()
            assert len(shown) < 1500
        return None


@SETTINGS
@given(content=st.binary(max_size=200))
def test_any_bytes(file: Path, content: bytes) -> None:
    outcome(file, content)


@SETTINGS
@given(
    parts=st.lists(st.one_of(PIECES, st.sampled_from(["version", "app", "targets", "local", "env", "x-a", "1"])), max_size=40)
)
def test_any_pieces_of_yaml(file: Path, parts: list[str]) -> None:
    outcome(file, "".join(parts).encode())


@SETTINGS
@given(data=st.data())
def test_the_example_with_damage(file: Path, data: st.DataObject) -> None:
    text = EXAMPLE
    for _ in range(data.draw(st.integers(1, 3))):
        at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 30))
        text = text[:at] + data.draw(st.one_of(PIECES, st.just(""), st.text(max_size=5))) + text[at + length :]
    outcome(file, text.encode("utf-8", "replace"))


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TARGET_NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True).filter(lambda name: not name.startswith("x-"))
# What a file can say of a value: anything but the characters that are no text, and nothing that looks like a token.
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
PATHS = st.text(string.ascii_letters + string.digits + "/._-~", max_size=12).map("/".__add__)
REFERENCES = st.one_of(
    st.fixed_dictionaries({"generate": st.integers(16, 256)}),
    st.fixed_dictionaries({"env": NAMES}),
    st.fixed_dictionaries({"file": st.from_regex(r"[a-z]{1,8}", fullmatch=True)}),
    st.fixed_dictionaries({"command": st.lists(TEXTS, min_size=1, max_size=3)}),
)
BLOCKS = st.fixed_dictionaries(
    {"kind": st.just("local")},
    optional={"workers": st.integers(1, 64), "port": st.integers(1, 65535), "keep": st.integers(2, 100)},
)


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """A file without problems, as plain data."""
    env = draw(st.dictionaries(NAMES, TEXTS, max_size=4))
    secrets = draw(st.dictionaries(NAMES.filter(lambda name: name not in env), REFERENCES, max_size=4))
    targets = draw(st.dictionaries(TARGET_NAMES, BLOCKS, min_size=1, max_size=3))
    app = {"name": draw(st.from_regex(r"[a-z][a-z0-9-]{1,9}[a-z0-9]", fullmatch=True)), "env": env, "secrets": secrets}
    paths = st.fixed_dictionaries({}, optional={"health": PATHS, "websocket": PATHS})
    app |= draw(paths.filter(lambda given: given.get("health", "/health") != given.get("websocket")))
    return {"version": 1, "default_target": draw(st.sampled_from(sorted(targets))), "app": app, "targets": targets}


def rendered(data: Mapping[str, Any], draw: st.DataObject, depth: int = 0, literal: bool = False) -> str:
    """The data as block YAML in any order of keys, each text quoted in some way, with comments and keys of the user's own."""
    lines = []
    for key in draw.draw(st.permutations(list(data))):
        value, inside = data[key], literal or (depth, key) == (1, "secrets")
        if draw.draw(st.integers(0, 5)) == 0:
            lines.append("# a comment: {")
        if isinstance(value, dict) and value:
            lines += [f"{spelled(key, draw)}:  # note", rendered(value, draw, depth + 1, inside)]
        else:
            lines.append(f"{spelled(key, draw)}: {scalar(value, draw, inside)}")
    if draw.draw(st.integers(0, 5)) == 0:
        lines.append("x-own: {a: [1, ~], b: no}")
    return "\n".join("  " * bool(depth) + line for line in "\n".join(lines).split("\n"))


def spelled(key: str, draw: st.DataObject) -> str:
    return draw.draw(st.sampled_from([key, f"'{key}'", f'"{key}"']))


def scalar(value: Any, draw: st.DataObject, literal: bool) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(scalar(item, draw, literal) for item in value) + "]"
    if isinstance(value, str):
        return double_quoted(value if literal else value.replace("$", "$$"))
    return draw.draw(st.sampled_from([str(value), f'"{value}"'])) if isinstance(value, int) else json.dumps(value)


def double_quoted(text: str) -> str:
    """JSON's way of writing text, but for what lies beyond the first plane: YAML knows no surrogate pairs."""
    return '"' + "".join(c if c in string.ascii_letters else f"\\U{ord(c):08x}" for c in text) + '"'


def as_data(loaded: config.Config) -> dict[str, Any]:
    app = loaded.app
    secrets = {name: reference_data(reference) for name, reference in app.secrets.items()}
    plain = {"name": app.name, "health": app.health, "websocket": app.websocket, "env": dict(app.env), "secrets": secrets}
    targets = {entry.name: {"kind": entry.kind, **data_of(entry.block)} for entry in loaded.targets.values()}
    return {"version": 1, "default_target": loaded.default_target, "app": plain, "targets": targets}


def reference_data(reference: Any) -> dict[str, Any]:
    match reference:
        case Generate(length):
            return {"generate": length}
        case FromEnv(name):
            return {"env": name}
        case FromFile(path):
            return {"file": path.name}
        case FromCommand(arguments):
            return {"command": list(arguments)}
    raise AssertionError(reference)


def with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    targets = {name: {"workers": 2, "port": 3000, "keep": 5, **block} for name, block in data["targets"].items()}
    return {**data, "app": {"health": "/health", "websocket": None, **data["app"]}, "targets": targets}


@SETTINGS
@given(data=files(), draw=st.data())
def test_what_is_rendered_is_read_back_whatever_order_quotes_and_comments(
    file: Path, data: dict[str, Any], draw: st.DataObject
) -> None:
    loaded = outcome(file, rendered(data, draw).encode())
    assert loaded
    assert as_data(loaded) == with_defaults(data)


@SETTINGS
@given(data=files(), draw=st.data())
def test_a_repeated_key_is_found_at_any_depth(file: Path, data: dict[str, Any], draw: st.DataObject) -> None:
    lines = rendered(data, draw).split("\n")
    keyed = [number for number, line in enumerate(lines) if not line.lstrip().startswith(("#", "x-"))]
    chosen = draw.draw(st.sampled_from(keyed))
    indent = len(lines[chosen]) - len(lines[chosen].lstrip())
    end = next((n for n in range(chosen + 1, len(lines)) if len(lines[n]) - len(lines[n].lstrip()) <= indent), len(lines))
    repeated = [*lines[:end], lines[chosen].split(":")[0] + ": 1", *lines[end:]]
    said = refused(file, "\n".join(repeated))
    assert any(line.startswith(f"{end + 1}:{indent + 1}: ") and line.endswith("is there twice") for line in said)


@SETTINGS
@given(text=TEXTS)
def test_doubled_dollars_are_the_text_itself(text: str) -> None:
    def note(message: str, hint: str) -> None:
        raise AssertionError(message)

    assert interpolate(text.replace("$", "$$"), Variables(Path("/nowhere"), []), note) == text


@SETTINGS
@given(text=st.text(max_size=60))
def test_values_have_places_in_the_text(text: str) -> None:
    """The marks that later errors point at: the text at a scalar's place is that scalar."""
    report = Report("f")
    try:
        root = compose(decode(text.encode("utf-8", "replace"), report), report)
    except ConfigError:
        return
    values = Values(report, Variables(Path("/nowhere"), []))
    values.value(root, (), Shape())
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    assert all(place.column <= len(lines[place.line - 1]) + 1 for place in [*values.places.values(), *values.keys.values()])
