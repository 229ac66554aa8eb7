"""How the command starts and ends: what it imports, what it takes, what it says, with which exit code."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops import __version__
from chatops.cli import verbs
from chatops.cli.app import hoist
from chatops.cli.naming import names
from chatops.cli.verbs import VERBS, command
from tests.e2e.place import Place, place
from tests.schemas import hold

HEAVY = ("asyncio", "docker", "fabric", "heroku3", "httpx", "paramiko", "pydantic", "rich", "textual", "yaml")
FILE = "version: 1\napp: {name: chat}\ntargets:\n  local: {port: 3999}\n  second: {kind: local, port: 3998}\n"

RUNNER = """
import sys
from chatops.cli.app import main
sys.argv = ["chatops", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    code = end.code
print(*sorted(sys.modules.keys() & set({watched!r})), file=sys.stderr)
sys.exit(code)
"""


def run(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`chatops WORDS` as typed in `folder`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHATOPS_")} | env
    command = [sys.executable, "-m", "chatops", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def complete(folder: Path, *words: str, **env: str) -> list[str]:
    """What bash would offer for the last word."""
    told = {"_CHATOPS_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    return run(folder, **told, **env).stdout.split()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a file of two targets."""
    (tmp_path / "chatops.yaml").write_text(FILE)
    return tmp_path


@pytest.fixture
def tiny() -> Iterator[Place]:
    """A project with a tiny app."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, place(Path(name).resolve()) as made:
        yield made


# ---------------------------------------------------------------- light


def imported(folder: Path, *words: str, watched: Collection[str] = HEAVY, **env: str) -> tuple[int, str]:
    """The exit code, and which of the `watched` modules were imported for it."""
    command = [sys.executable, "-c", RUNNER.format(watched=watched), *words]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)], ids=" ".join)
def test_help_and_version_import_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    assert imported(tmp_path, *words) == (0, "")


@pytest.mark.parametrize("typed", ["chatops st", "chatops status ", "chatops deploy --", "chatops monitor s"])
def test_completion_imports_nothing_heavy(project: Path, typed: str) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    assert imported(project, _CHATOPS_COMPLETE="complete_bash", **words) == (0, "")


def test_the_file_is_read_without_a_search_for_plugins(project: Path) -> None:
    """Plugins of other packages would see the file, and finding them costs as much as checking it."""
    cache = str(project / "cache")
    found = imported(project, "check", watched=["importlib.metadata", "pydantic"], XDG_CACHE_HOME=cache)
    assert found == (0, "pydantic")


def test_a_file_that_is_known_is_not_read_again(project: Path, tmp_path: Path) -> None:
    """What reads it takes 0.1 s to be loaded; any change makes it unknown."""
    for added in ("", "# a comment\n"):
        with (project / "chatops.yaml").open("a") as file:
            file.write(added)
        for found in ("pydantic yaml", ""):
            cache = str(tmp_path / "cache")
            assert imported(project, "check", watched=["pydantic", "yaml"], XDG_CACHE_HOME=cache) == (0, found)


def test_a_file_that_names_variables_is_read_each_time(project: Path) -> None:
    with (project / "chatops.yaml").open("a") as file:
        file.write("  third: {kind: local, port: '${CHAT_PORT:-4000}'}\n")
    for port, code in (("5000", 0), ("5001", 0), ("none", 2)):
        assert imported(project, "check", watched=["pydantic"], CHAT_PORT=port)[0] == code


def test_what_others_could_have_written_is_not_believed(project: Path, tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert imported(project, "check", watched=["yaml"], **cache) == (0, "yaml")
    [slot] = (tmp_path / "cache").glob("chatops/files/*")
    assert (slot.stat().st_mode & 0o777, slot.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    slot.chmod(0o666)
    assert imported(project, "check", watched=["yaml"], **cache) == (0, "yaml")


def test_without_a_cache_the_file_is_read(project: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    assert imported(project, "check", watched=["yaml"], XDG_CACHE_HOME=str(tmp_path / "cache")) == (0, "yaml")


def test_there_is_a_help_for_every_verb(tmp_path: Path) -> None:
    text = run(tmp_path, "--help").stdout
    assert [verb for verb, line in VERBS.items() if f"\n  {verb:8}  {line}\n" not in text] == []
    assert run(tmp_path, "--version").stdout == f"chatops {__version__}\n"


def test_the_table_of_verbs_says_what_their_files_say() -> None:
    files = {file.stem for file in Path(verbs.__file__).parent.glob("*.py") if f"\ndef {file.stem}(" in file.read_text()}
    assert files == VERBS.keys()
    assert {name: command(name).get_short_help_str(100) for name in VERBS} == VERBS


@pytest.mark.parametrize(("words", "files"), [(["--help"], set()), (["init", "--help"], {"init"})], ids=" ".join)
def test_only_the_file_of_the_verb_is_imported(tmp_path: Path, words: list[str], files: set[str]) -> None:
    watched = {f"chatops.cli.{name}" for name in VERBS}
    assert imported(tmp_path, *words, watched=watched) == (0, " ".join(f"chatops.cli.{name}" for name in files))


# ---------------------------------------------------------------- completion


def test_completion_names_verbs_and_targets(project: Path) -> None:
    assert complete(project, "chatops", "rel") == ["releases"]
    assert complete(project, "chatops", "status", "") == ["local", "second"]
    assert complete(project, "chatops", "monitor", "local", "s") == ["second"]
    (project / "below").mkdir()
    assert complete(project / "below", "chatops", "deploy", "l") == ["local"]


def test_completion_follows_the_file_that_is_meant(project: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("targets: {third: {kind: local}}\n")
    assert complete(project, "chatops", "--config", "other.yaml", "status", "") == ["third"]
    assert complete(project, "chatops", "status", "", CHATOPS_CONFIG="other.yaml") == ["third"]
    assert complete(project, "chatops", "--config", "missing.yaml", "status", "") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("targets:\n  # a comment:\n  a: {port: 1}\n\n  'b':\n    kind: local\nx-mine:\n  c: 1\n", ["a", "b"]),
        ('x: 1\ntargets: {a: {kind: local}, "b": {list: [d: 1]}}\napp: {c: {}}\n', ["a", "b"]),
        ("targets: {\n  a: {port: 1},\n  b: {}\n}\n", ["a", "b"]),
        ("app: {name: chat}\n", []),
        ("targets:\n", []),
        ("", []),
    ],
)
def test_a_glance_finds_the_names(text: str, found: list[str]) -> None:
    assert names(text) == found


@given(st.text())
def test_a_glance_takes_any_text(text: str) -> None:
    names(f"targets:{text}")


# ---------------------------------------------------------------- global options anywhere

FLAGS = ["--json", "-q", "--quiet", "-v", "--debug", "--no-color", "--config=f", "-cf"]
OTHERS = ["status", "local", "-f", "-n", "5", "--grep", "--yes", "x=y", ""]
VALUED = st.tuples(st.sampled_from(["-c", "--config"]), st.text(min_size=1).filter(lambda word: word != "--"))
GROUPS = st.lists(st.one_of(VALUED, st.sampled_from([*FLAGS, *OTHERS]).map(lambda word: (word,))))


@given(GROUPS, st.sampled_from([[], ["--"]]), st.lists(st.text()))
def test_hoist_keeps_the_order_and_what_follows_two_dashes(
    groups: list[tuple[str, ...]], dashes: list[str], behind: list[str]
) -> None:
    tail = [*dashes, *behind] if dashes else []
    front = [word for group in groups if len(group) == 2 or group[0] in FLAGS for word in group]
    rest = [group[0] for group in groups if len(group) == 1 and group[0] in OTHERS]
    assert hoist([word for group in groups for word in group] + tail) == front + rest + tail


@given(st.lists(st.text()))
def test_hoist_loses_and_invents_nothing(words: list[str]) -> None:
    assert sorted(hoist(words)) == sorted(words)


def test_a_global_option_after_the_verb_works(project: Path) -> None:
    for line in ("--json check", "check --json", "check -c chatops.yaml --json", "check -cchatops.yaml --json"):
        answer = json.loads(run(project, *line.split()).stdout)
        hold(answer, "check")
        assert answer["ok"]


# ---------------------------------------------------------------- the file that is meant


def test_the_file_is_found_upwards_or_named(project: Path) -> None:
    below = project / "a" / "b"
    below.mkdir(parents=True)
    assert run(below, "check").returncode == 0
    (below / "mine.yaml").write_text(FILE.replace("chat}", "mine}"))
    assert "app mine" in run(below, "check", CHATOPS_CONFIG="mine.yaml").stdout
    assert "app mine" in run(below, "check", "-c", "mine.yaml", CHATOPS_CONFIG="missing.yaml").stdout


def test_init_answers_as_its_schema_says(tmp_path: Path) -> None:
    hold(json.loads(run(tmp_path, "init", "--json").stdout), "init")


# ---------------------------------------------------------------- ends

BAD = [
    (["statsu"], 2, "No such command 'statsu'"),
    (["status", "--nope"], 2, "No such option"),
    (["status", "nowhere"], 2, "error: no target `nowhere`"),
    (["status"], 2, "error: which target?"),
    (["scale", "local", "none"], 2, "N is a number from 1 to 64"),
    (["scale", "local", "1", "2"], 2, "give a target and a number"),
    (["deploy", "local", "--wait-lock", "-1"], 2, "--wait-lock"),
    (["rollback", "local"], 2, "error: there is no good release before the current one"),
    (["restart", "local"], 2, "error: nothing is deployed here yet"),
    (["remove", "local"], 2, "`--yes` removes without asking"),
    (["open", "local"], 2, "`chatops deploy local` comes first"),
    (["probe", "local"], 2, "`chatops deploy local` comes first"),
    (["attach", "local"], 3, "error: nothing is being changed here"),
    (["run", "local", "--", "true"], 3, "error: nothing is deployed here yet"),
    (["plan", "local", "--detailed-exitcode"], 7, ""),
    (["monitor", "local", "--once"], 3, ""),
]


@pytest.mark.parametrize(("words", "code", "said"), BAD, ids=[" ".join(words) for words, _, _ in BAD])
def test_exit_codes_and_what_is_said(project: Path, words: list[str], code: int, said: str) -> None:
    done = run(project, *words)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stderr
    assert code == 7 or words[0] == "monitor" or done.stdout == ""


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"init", "demo"}))
def test_a_broken_file_ends_every_verb_with_its_place(tmp_path: Path, verb: str) -> None:
    (tmp_path / "chatops.yaml").write_text("version: 1\napp: {name: chat}\ntargets: {local: {prot: 1}}\n")
    words = {"scale": ["3"], "run": ["--", "true"]}.get(verb, [])
    done = run(tmp_path, verb, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("chatops.yaml:3:19: targets.local.prot: unknown key")
    assert done.stderr.endswith("error: 1 problem in chatops.yaml\n")


def test_no_file_at_all(tmp_path: Path) -> None:
    done = run(tmp_path, "status")
    assert (done.returncode, done.stderr) == (
        2,
        "error: no `chatops.yaml` here or in a parent folder\nhint: `chatops init` writes one\n",
    )


def test_a_traceback_is_shown_with_debug_only(project: Path) -> None:
    (project / "chatops.yaml").write_text("version: [")
    assert "Traceback" not in run(project, "status").stderr
    assert "Traceback (most recent call last)" in run(project, "status", "--debug").stderr


def test_a_folder_that_refuses_us_is_no_bug(project: Path) -> None:
    (project / ".chatops").write_text("in the way")
    done = run(project, "deploy", "local")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr


def test_a_reader_that_leaves_ends_it_quietly(project: Path) -> None:
    command = f"{sys.executable} -m chatops check --schema | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=project, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{\n", b"")


# ---------------------------------------------------------------- colour


def in_a_terminal(folder: Path, *words: str, **env: str) -> str:
    """What `chatops WORDS` writes into a terminal."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
    command = [sys.executable, "-m", "chatops", *words]
    with subprocess.Popen(
        command, cwd=folder, env={**environment, "TERM": "xterm-256color", **env}, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        text = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                text += os.read(ours, 65536)
            except OSError:  # Linux: the last writer has gone
                break
        process.wait(timeout=60)
    os.close(ours)
    return text.decode("utf-8", "replace")


COLOR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


def test_colour_can_be_refused(tiny: Place) -> None:
    """By the variable and by the option; the words stay."""
    node = tiny.env["CHATOPS_NODE"]
    first = in_a_terminal(tiny.folder, "deploy", CHATOPS_NODE=node, NO_COLOR="1")
    assert "switch traffic" in first
    assert not COLOR.search(first)
    again = in_a_terminal(tiny.folder, "restart", "--no-color", CHATOPS_NODE=node)
    assert "switch traffic" in again
    assert not COLOR.search(again)
    assert COLOR.search(in_a_terminal(tiny.folder, "restart", CHATOPS_NODE=node))
