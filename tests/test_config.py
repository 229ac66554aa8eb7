"""A file as a user writes it: what is understood, what is refused and in which words, and where secrets come from."""

from __future__ import annotations

import json
import os
import pty
import runpy
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from chatops import config
from chatops.config import secrets
from chatops.config.check import json_schema
from chatops.config.json_schema import schema as schema_of_the_file
from chatops.errors import ConfigError
from chatops.model import Environment, FromCommand, FromEnv, FromFile, Generate
from chatops.redact import Secret
from chatops.targets import catalog

ROOT = Path(__file__).parents[1]
TOP = "version: 1\n"
APP = "app: {name: chat}\n"
TARGETS = "targets: {local: {}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and a state folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CHATOPS_ALLOW_COMMANDS", raising=False)
    return tmp_path


def load(text: str) -> config.Config:
    file = Path("chatops.yaml")
    file.write_text(text)
    return config.load(file)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [str(problem) for problem in caught.value.problems]


def hints(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [problem.hint for problem in caught.value.problems]


def with_app(lines: str) -> str:
    return f"{TOP}{TARGETS}app:\n  name: chat\n{lines}\n"


def with_local(block: str) -> str:
    return f"{TOP}{APP}targets: {{local: {block}}}\n"


# ---------------------------------------------------------------- what is understood


def test_a_short_file_is_enough(folder: Path) -> None:
    loaded = load(TOP + APP + TARGETS)
    assert loaded.file == folder / "chatops.yaml"
    assert (loaded.app.name, loaded.app.health, loaded.app.websocket) == ("chat", "/health", None)
    assert loaded.app.path == config.bundled_sample()
    assert (loaded.app.path / "package.json").is_file()
    assert loaded.pick(None).name == "local"


def test_an_empty_block_means_all_defaults(folder: Path) -> None:
    assert load(f"{TOP}{APP}targets:\n  local:\n").pick(None).block.workers == 2


def test_kind_is_the_name_or_said(folder: Path) -> None:
    loaded = load(f"{TOP}{APP}targets:\n  local: {{}}\n  second: {{kind: local, port: 3001}}\n")
    assert [(entry.name, entry.kind) for entry in loaded.targets.values()] == [("local", "local"), ("second", "local")]
    assert loaded.pick("second").block.port == 3001


def test_relative_paths_start_at_the_file(folder: Path) -> None:
    (folder / "deep").mkdir()
    file = folder / "deep" / "chatops.yaml"
    file.write_text(with_app("  path: ../app"))
    assert config.load(file).app.path == folder / "app"


def test_secrets_are_kept_as_references(folder: Path) -> None:
    lines = "  secrets:\n    A: {generate: 32}\n    B: {env: TOKEN}\n    C: {file: pin}\n    D: {command: [pass, '$$', 1]}"
    assert load(with_app(lines)).app.secrets == {
        "A": Generate(32),
        "B": FromEnv("TOKEN"),
        "C": FromFile(folder / "pin"),
        "D": FromCommand(("pass", "$$", "1")),
    }


@pytest.mark.parametrize(
    "written", ["no", "1.10", "0644", "22:22", "2024-01-01", "1e3", "true", "~", "null", "1_000", "0x1F", "on"]
)
def test_env_values_are_text_as_written(folder: Path, written: str) -> None:
    assert load(with_app(f"  env: {{VALUE: {written}}}")).app.env == {"VALUE": written}


def test_keys_that_begin_with_x_are_free(folder: Path) -> None:
    own = "x-a: {b: [1, '${NOPE}'], x-a: {b: 2}}\n"
    loaded = load(f"{own}{TOP}{APP}targets: {{local: {{x-note: {{b: y}}}}, x-old: {{kind: gone}}}}\n")
    assert list(loaded.targets) == ["local"]


def test_digits_may_be_quoted_where_a_number_is_wanted(folder: Path) -> None:
    assert load(with_local('{port: "3100"}')).pick(None).block.port == 3100


# ---------------------------------------------------------------- ${NAME}


def test_variables_come_from_the_environment_first_then_from_dotenv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST", "environment")
    monkeypatch.delenv("SECOND", raising=False)
    (folder / ".env").write_text("FIRST=file\nexport SECOND='from ${FIRST}'\n# note\n")
    loaded = load(with_app('  env: {A: "${FIRST}", B: "${SECOND}", C: "${THIRD:-1.10}", D: "$$5 $HOME", E: "${EMPTY:-}"}'))
    assert loaded.app.env == {"A": "environment", "B": "from ${FIRST}", "C": "1.10", "D": "$5 $HOME", "E": ""}


def test_a_variable_can_be_a_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "7")
    block = load(with_local('{workers: "${WORKERS}", port: "${PORT_OF_CHAT:-3500}"}')).pick(None).block
    assert (block.workers, block.port) == (7, 3500)


def test_a_variable_never_changes_the_structure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIL", "x\n  path: /etc\n${HOME} {a: b}")
    loaded = load(with_app("  env: {A: '${EVIL}'}"))
    assert loaded.app.env == {"A": os.environ["EVIL"]}
    assert loaded.app.path == config.bundled_sample()


def test_an_unset_variable_is_an_error(folder: Path) -> None:
    assert problems(with_local('{port: "${NOPE_1}"}')) == ["chatops.yaml:3:25: targets.local.port: `NOPE_1` is not set"]


@pytest.mark.parametrize("written", ["${", "${1A}", "${A", "${A:-${B}}", "${A B}", "${A-b}"])
def test_a_broken_reference_is_an_error(folder: Path, written: str) -> None:
    assert problems(with_app(f"  env:\n    A: '{written}'"))[0].endswith("app.env.A: `${` begins no reference")


def test_a_broken_dotenv_is_an_error_in_that_file(folder: Path) -> None:
    (folder / ".env").write_text("GOOD=1\nthis is no line\n")
    assert ".env:2:1: not a line of the form `NAME=value`" in problems(with_app("  env: {A: '${NOPE_2}'}"))


# ---------------------------------------------------------------- what is refused, one line each


REFUSED = {
    "no version": (APP + TARGETS, "1:1: version: is missing"),
    "wrong version": ("version: 2\n" + APP + TARGETS, "1:10: version: must be 1"),
    "no app": (TOP + TARGETS, "1:1: app: is missing"),
    "empty app": (f"{TOP}app:\n{TARGETS}", "2:5: app: is empty"),
    "app is text": (f"{TOP}app: x\n{TARGETS}", "2:6: app: must be a mapping of `key: value` lines"),
    "no targets": (f"{TOP}{APP}targets: {{}}\n", "3:10: targets: must have 1 or more entries"),
    "targets is a list": (f"{TOP}{APP}targets: [local]\n", "3:10: targets: must be a mapping of `key: value` lines"),
    "unknown key": (f"{TOP}{APP}{TARGETS}nmae: x\n", "4:1: nmae: unknown key"),
    "app name": (f"{TOP}app: {{name: C}}\n{TARGETS}", "2:13: app.name: must match `^[a-z][a-z0-9-]{1,28}[a-z0-9]$`"),
    "port too high": (with_local("{port: 65536}"), "3:25: targets.local.port: must be 65535 or less"),
    "octal port": (with_local("{port: 0644}"), "3:25: targets.local.port: must be a whole number"),
    "port 1_0": (with_local("{port: 1_0}"), "3:25: targets.local.port: must be a whole number"),
    "port 80.0": (with_local("{port: 80.0}"), "3:25: targets.local.port: must be a whole number"),
    "port ' 80'": (with_local("{port: ' 80'}"), "3:25: targets.local.port: must be a whole number"),
    "port true": (with_local("{port: true}"), "3:25: targets.local.port: must be a whole number"),
    "empty port": (with_local("{port: }"), "3:24: targets.local.port: is empty"),
    "huge port": (with_local("{port: " + "9" * 5000 + "}"), "3:25: targets.local.port: must be a whole number"),
    "target name": (
        f"{TOP}{APP}targets: {{Local: {{kind: local}}}}\n",
        "3:11: targets.Local: the key must match `^[a-z][a-z0-9-]*$`",
    ),
    "unknown kind": (f"{TOP}{APP}targets: {{a: {{kind: locla}}}}\n", "3:21: targets.a.kind: unknown kind `locla`"),
    "no kind": (f"{TOP}{APP}targets: {{a: {{}}}}\n", "3:11: targets.a: is no kind of target, and has no `kind`"),
    "default target": (f"default_target: lcal\n{TOP}{APP}{TARGETS}", "1:17: default_target: no target `lcal`"),
    "health path": (
        with_app("  health: health"),
        "5:11: app.health: must match `^/[A-Za-z0-9._~!&()*+,=:@/-]*$`",
    ),
    "health that is kept for the host": (
        with_app("  health: /metrics"),
        "5:11: app.health: is not open to users: on a server nginx answers there itself",
    ),
    "websocket that is kept for certificates": (
        with_app("  websocket: /.well-known/acme-challenge/x"),
        "5:14: app.websocket: is not open to users: on a server nginx answers there itself",
    ),
    "one path for both": (
        with_app("  health: /x\n  websocket: /x"),
        "4:3: app: `health` and `websocket` are the same path: one answers requests, the other upgrades them",
    ),
    "two targets on one host": (
        f"{TOP}{APP}targets:\n"
        "  a: {kind: vps, hosts: [{address: web1}]}\n"
        "  b: {kind: vps, hosts: [{address: web1, user: ana}]}\n",
        "5:36: targets.b.hosts.0.address: `a` has this host, too",
    ),
    "env name": (with_app("  env: {1A: x}"), "5:9: app.env.1A: the key must match `^[A-Za-z_][A-Za-z0-9_]*$`"),
    "forgotten env value": (with_app("  env:\n    A:\n    B: x"), "6:7: app.env.A: is empty"),
    "literal secret": (
        with_app("  secrets: {A: hunter22}"),
        "5:16: app.secrets.A: must be a reference, never the secret itself",
    ),
    "two ways": (
        with_app("  secrets: {A: {env: X, file: y}}"),
        "5:16: app.secrets.A: needs exactly one of generate, env, file, command",
    ),
    "a way without a value": (
        with_app("  secrets: {A: {generate: null, env: X}}"),
        "5:16: app.secrets.A: needs exactly one of generate, env, file, command",
    ),
    "no way": (with_app("  secrets: {A: {}}"), "5:16: app.secrets.A: needs exactly one of generate, env, file, command"),
    "command is text": (with_app("  secrets: {A: {command: ls}}"), "5:26: app.secrets.A.command: must be a list"),
    "secret and setting": (
        with_app("  env: {A: x}\n  secrets: {A: {env: A}}"),
        "6:13: app.secrets.A: stands under `app.env` too",
    ),
}


@pytest.mark.parametrize("sign", "{};?#$\"'\\%")
def test_a_path_has_no_sign_that_means_something_to_nginx_or_in_a_url(folder: Path, sign: str) -> None:
    assert "app.websocket: must match" in problems(with_app(f"  websocket: {json.dumps('/w' + sign)}"))[0]


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(folder: Path, text: str, expected: str) -> None:
    assert problems(text) == [f"chatops.yaml:{expected}"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f"{TOP}{APP}{TARGETS}defualt_target: local\n", "did you mean `default_target`?"),
        (with_local("{wokers: 2}"), "did you mean `workers`?"),
        (with_local("{zzz: 2}"), "known keys: keep, kind, port, workers; keys that begin with `x-` are yours"),
        (with_app("  secrets: {A: {fiel: x}}"), "did you mean `file`?"),
        (f"{TOP}{APP}targets: {{a: {{kind: locla}}}}\n", "did you mean `local`?"),
        (f"{TOP}{APP}targets: {{loca: {{}}}}\n", "did you mean `local`?"),
        (f"default_target: lcal\n{TOP}{APP}{TARGETS}", "did you mean `local`?"),
        (with_app("  <<: {path: x}"), "merge keys are not supported: write the keys out"),
    ],
)
def test_hints(folder: Path, text: str, hint: str) -> None:
    assert hints(text)[0] == hint


@pytest.mark.parametrize(
    "token",
    [
        "HRKU-AAdP3x9kKqv0Zb7TzV1m",
        "ghp_" + "a" * 36,
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "gho_" + "b" * 30,
    ],
)
def test_text_that_looks_like_a_token_is_refused_and_not_repeated(folder: Path, token: str) -> None:
    found = problems(with_app(f"  env: {{A: '{token}'}}"))
    assert found == ["chatops.yaml:5:12: app.env.A: looks like a secret"]


def test_a_literal_secret_is_not_repeated(folder: Path) -> None:
    text = with_app("  secrets: {A: hunter22, B: [hunter22], C: {env: hunter-22}, D: {generate: hunter22}}")
    assert "hunter" not in "".join(problems(text) + hints(text))


def test_every_problem_is_said_at_once_in_order(folder: Path) -> None:
    text = """\
version: 3
app:
  name: X
  path: ""
  env: {A: "${NOPE_3}", A: y}
targets:
  local: {port: 0, wrokers: 2}
  other: {kind: nope}
"""
    assert [line.split(": ")[0:2] for line in problems(text)] == [
        ["chatops.yaml:1:10", "version"],
        ["chatops.yaml:3:9", "app.name"],
        ["chatops.yaml:4:9", "app.path"],
        ["chatops.yaml:5:12", "app.env.A"],
        ["chatops.yaml:5:25", "app.env.A"],
        ["chatops.yaml:7:17", "targets.local.port"],
        ["chatops.yaml:7:20", "targets.local.wrokers"],
        ["chatops.yaml:8:17", "targets.other.kind"],
    ]


# ---------------------------------------------------------------- finding the file, picking a target


def test_find_looks_upwards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"no `chatops\.yaml` here or in a parent folder") as caught:
        config.find(None)
    assert "chatops init" in caught.value.hint
    (folder / "chatops.yaml").write_text(TOP)
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a" / "b")
    assert config.find(None) == folder / "chatops.yaml"
    assert config.find(Path("other.yaml")) == Path("other.yaml")


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_is_none(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no file"):
        config.load(Path(name))


def test_pick(folder: Path) -> None:
    two = f"{TOP}{APP}targets: {{here: {{kind: local}}, there: {{kind: local}}}}\n"
    loaded = load(two)
    assert loaded.pick("there").name == "there"
    with pytest.raises(ConfigError, match="which target") as unnamed:
        loaded.pick(None)
    assert unnamed.value.hint == "targets: here, there"
    with pytest.raises(ConfigError, match="no target `ther`") as unknown:
        loaded.pick("ther")
    assert unknown.value.hint == "did you mean `there`?"
    assert load("default_target: there\n" + two).pick(None).name == "there"


# ---------------------------------------------------------------- secrets, resolved late


def environment(lines: str) -> Environment:
    return dict(secrets.environment(load(with_app(f"  env: {{PLAIN: x}}\n  secrets:\n{lines}"))))


def unresolved(lines: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        environment(lines)
    return [f"{problem} | {problem.hint}" for problem in caught.value.problems]


def private(folder: Path, name: str, content: bytes, mode: int = 0o600) -> None:
    (folder / name).write_bytes(content)
    (folder / name).chmod(mode)


def test_secrets_from_everywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from-environment")
    monkeypatch.setenv("CHATOPS_ALLOW_COMMANDS", "1")
    private(folder, "pin", b"first line\nsecond\n\n")
    private(folder, ".env", b"OTHER=from-dotenv\n")
    lines = (
        "    A: {generate: 16}\n    B: {env: TOKEN}\n    C: {file: pin}\n"
        "    D: {command: [printf, '%s\\n', $HOME/x]}\n    E: {env: OTHER}"
    )
    resolved = environment(lines)
    assert resolved == {
        "PLAIN": "x",
        "A": Generate(16),
        "B": Secret("from-environment"),
        "C": Secret("first line\nsecond\n"),
        "D": Secret("$HOME/x"),
        "E": Secret("from-dotenv"),
    }
    assert secrets.redactor(resolved)("say from-environment twice") == "say [redacted] twice"


def test_loading_resolves_nothing(folder: Path) -> None:
    load(with_app("  secrets: {A: {env: NOPE}, B: {file: nowhere}, C: {command: [touch, ran]}}"))
    assert not (folder / "ran").exists()


def test_every_unresolved_secret_is_said_with_its_place(folder: Path) -> None:
    private(folder, "open", b"long enough", 0o640)
    private(folder, "short", b"abc\n")
    private(folder, "binary", b"\xff\xfe long enough")
    os.mkfifo(folder / "pipe", 0o600)
    lines = (
        "    A: {env: NOPE_4}\n    B: {file: nowhere}\n    C: {file: open}\n    D: {file: short}\n"
        "    E: {file: binary}\n    F: {file: pipe}\n    G: {command: [ls]}\n    H: {file: .}"
    )
    found = unresolved(lines)
    assert [line.split(": ")[0:2] for line in found] == [
        [f"chatops.yaml:{line}:8", f"app.secrets.{name}"] for line, name in zip(range(7, 15), "ABCDEFGH", strict=True)
    ]
    words = [
        "is not set",
        "No such file",
        "others may read",
        "fewer than 6",
        "not UTF-8",
        "is no file",
        "not been allowed",
        "is no file",
    ]
    assert [word for word, line in zip(words, found, strict=True) if word not in line] == []
    assert f"| chmod 600 {folder}/open" in found[2]
    assert "CHATOPS_ALLOW_COMMANDS=1" in found[6]


def test_a_secret_from_an_open_dotenv_is_refused(folder: Path) -> None:
    private(folder, ".env", b"TOKEN_IN_FILE=long enough\n", 0o644)
    assert "others may read" in unresolved("    A: {env: TOKEN_IN_FILE}")[0]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("[sh, -c, 'echo long enough; exit 3']", "`sh` ended with 3"),
        ("[no-such-program-here]", "can't run `no-such-program-here`: No such file"),
        ("[head, -c, '70000', /dev/zero]", "is larger than 65536 bytes"),
        ("[cat, /dev/zero]", "is larger than 65536 bytes"),
        ("['true']", "has fewer than 6 characters"),
    ],
)
def test_commands_that_give_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, words: str) -> None:
    monkeypatch.setenv("CHATOPS_ALLOW_COMMANDS", "1")
    assert words in unresolved(f"    A: {{command: {command}}}")[0]


@pytest.mark.parametrize("script", ["sleep 60", "exec >&-; sleep 60", "sleep 60 & echo started; wait"])
def test_a_command_that_hangs_is_ended(folder: Path, script: str) -> None:
    from chatops.config.command import output

    begin = time.monotonic()
    with pytest.raises(ConfigError, match=r"`sh` took more than 0\.2 s"):
        output(["sh", "-c", script], folder, 1000, limit=0.2)
    assert time.monotonic() - begin < 5


ASK = """
from pathlib import Path
from chatops import config
from chatops.config.secrets import environment
environment(config.load(Path("chatops.yaml")))
"""


def asked(answer: bytes | None) -> tuple[int, str]:
    """Runs `environment` on a real terminal; gives its exit code and what was said. `answer` None: no question is expected."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", ASK], stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    said = b""
    while select.select([leader], [], [], 30)[0]:
        try:
            chunk = os.read(leader, 4096)
        except OSError:
            break
        said += chunk
        if answer and said.endswith(b"[y/N] "):
            os.write(leader, answer)
            answer = None
    os.close(leader)
    return process.wait(30), said.decode()


def test_a_new_command_is_asked_for_once_and_remembered(folder: Path) -> None:
    load(with_app("  secrets:\n    A: {command: [sh, -c, 'echo x >> ran; echo long enough']}"))
    code, said = asked(b"n\n")
    assert (code, (folder / "ran").exists()) == (1, False)
    assert "app.secrets.A: runs a command: sh -c 'echo x >> ran; echo long enough'" in said
    assert asked(b"y\n")[0] == 0
    code, said = asked(None)
    assert (code, said) == (0, "")
    assert (folder / "ran").read_text() == "x\nx\n"
    remembered = folder / "state" / "chatops" / "allowed-commands"
    assert remembered.stat().st_mode & 0o777 == 0o600
    assert remembered.parent.stat().st_mode & 0o077 == 0
    secrets.environment(config.load(folder / "chatops.yaml"))  # remembered without a terminal too
    remembered.chmod(0o622)
    with pytest.raises(ConfigError):
        secrets.environment(config.load(folder / "chatops.yaml"))


def test_another_argument_is_asked_for_again(folder: Path) -> None:
    load(with_app("  secrets:\n    A: {command: [echo, first-secret]}"))
    assert asked(b"yes\n")[0] == 0
    load(with_app("  secrets:\n    A: {command: [echo, second-secret]}"))
    assert asked(b"\n")[0] == 1


# ---------------------------------------------------------------- the example, the schema, the page


def test_the_example_loads_and_shows_every_kind(folder: Path) -> None:
    loaded = config.load(config.bundled_example())
    assert loaded.app.path == config.bundled_sample()
    assert {type(reference) for reference in loaded.app.secrets.values()} == {Generate, FromEnv, FromFile, FromCommand}
    assert sorted({entry.kind for entry in loaded.targets.values()}) == catalog.kinds(), "add a block to chatops.example.yaml"


def keys(part: Any) -> set[str]:
    """Every key that a schema names, at any depth."""
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    named = set(part.get("properties", ())) if isinstance(part, dict) else set()
    return named.union(*map(keys, inner))


@pytest.mark.parametrize("kind", catalog.kinds())
def test_the_example_names_every_key_of_a_kind(kind: str) -> None:
    schema = json_schema(catalog.block_model(kind))
    text = config.bundled_example().read_text()
    start = text.find(f"\n  {kind}:")
    assert start > 0, "add the kind's block to chatops.example.yaml: every key with its default and a comment"
    missing = {key for key in keys(schema) if f"{key}:" not in text[start:]}
    assert missing == set()


def test_the_schema_takes_the_example_and_refuses_typing_errors() -> None:
    schema = schema_of_the_file()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    example = yaml.safe_load(config.bundled_example().read_text())
    assert list(check.iter_errors(example)) == []
    example["app"]["env"] = {"A": 1.5, "B": True}
    example["targets"]["local"] |= {"port": "${PORT:-3000}", "x-mine": 1}
    assert list(check.iter_errors(example)) == []
    for wrong in ({"port": 0}, {"port": "a"}, {"prot": 3000}):
        broken = example | {"targets": {"local": wrong}}
        assert not check.is_valid(broken), wrong
    assert not check.is_valid(example | {"targets": {"other": {}}})


def test_the_page_is_current() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_configuration.py"))
    assert made["PAGE"].read_text() == made["page"](), "run: python docs/make_configuration.py"
