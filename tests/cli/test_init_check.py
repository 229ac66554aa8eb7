"""`chatops init` and `chatops check`, as typed in a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from chatops import config
from chatops.config.starter import begin
from chatops.targets import catalog

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "check.json").read_text())
BROKEN = "version: 1\napp: {name: chat}\ntargets: {local: {prot: 1}}\n"


def chatops(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chatops", *line.split()]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def answer(folder: Path, line: str) -> dict[str, Any]:
    """The one JSON object of `check --json`, held to its schema."""
    done = chatops(folder, line)
    value: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(value, SCHEMA)
    assert done.returncode == (0 if value["ok"] else 2)
    return value


def test_init_then_check(tmp_path: Path) -> None:
    written = chatops(tmp_path, "init")
    assert (written.returncode, written.stdout) == (0, "")
    assert written.stderr == "wrote chatops.yaml; next: `chatops check`, then `chatops deploy local`\n"
    checked = chatops(tmp_path, "check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "chatops.yaml is fine: app chat, targets local\n", "")


@pytest.mark.parametrize("kind", catalog.kinds())
def test_init_for_a_kind(tmp_path: Path, kind: str) -> None:
    written = chatops(tmp_path, f"init --kind {kind} --json")
    assert json.loads(written.stdout) == {"v": 1, "file": f"{tmp_path}/chatops.yaml", "target": kind, "kind": kind}
    loaded = config.load(tmp_path / "chatops.yaml")
    assert list(loaded.targets) == [kind]
    assert loaded.app.path == config.bundled_sample()
    assert list(loaded.app.secrets) == ["SESSION_SECRET"]
    example = config.bundled_example().read_text().splitlines()
    lines = (tmp_path / "chatops.yaml").read_text().splitlines()
    changed = [(old, new) for old, new in zip(example, lines, strict=True) if old != new]
    assert [new for old, new in changed if new.replace("# ", "", 1) != old] in ([], [f"default_target: {kind}"])


def test_what_init_turns_into_comments() -> None:
    example = """\
default_target: a
app:
  path: x

  # why
  secrets:
    A: {generate: 32}
    B: {env: B}
targets:
  a: {kind: local}
  # about b
  b:
    # inside
    hosts:
      - {address: x,
         port: 2}
      - text: |
          one

          two
    port: 3  # port
  # about c
  c:
"""
    assert (
        begin(example, "b")
        == """\
default_target: b
app:
  # path: x

  # why
  secrets:
    A: {generate: 32}
    # B: {env: B}
targets:
  # a: {kind: local}
  # about b
  b:
    # inside
    hosts:
      - {address: x,
         port: 2}
      - text: |
          one

          two
    port: 3  # port
  # about c
  # c:
"""
    )
    assert (
        begin(example, "a").split("targets:\n")[1]
        == """\
  a: {kind: local}
  # about b
  # b:
    # inside
  #   hosts:
  #     - {address: x,
  #        port: 2}
  #     - text: |
  #         one

  #         two
  #   port: 3  # port
  # about c
  # c:
"""
    )


def test_init_never_overwrites_without_force(tmp_path: Path) -> None:
    file = tmp_path / "chatops.yaml"
    file.write_text("mine\n")
    refused = chatops(tmp_path, "init")
    assert (refused.returncode, refused.stderr) == (
        2,
        "error: `chatops.yaml` is there already\nhint: `--force` overwrites it\n",
    )
    assert file.read_text() == "mine\n"
    assert chatops(tmp_path, "init --force").returncode == 0
    assert config.load(file).targets


def test_init_does_not_write_through_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "chatops.yaml").symlink_to(tmp_path / "elsewhere")
    assert chatops(tmp_path, "init").returncode == 2
    assert not (tmp_path / "elsewhere").exists()


def test_init_writes_where_config_says(tmp_path: Path) -> None:
    assert chatops(tmp_path, "--config other.yaml init").returncode == 0
    assert chatops(tmp_path, "check -c other.yaml").stdout.startswith("other.yaml is fine")
    assert chatops(tmp_path, "-c no/such/folder.yaml init").stderr.startswith("error: can't write `folder.yaml`")


def test_init_for_an_unknown_kind(tmp_path: Path) -> None:
    refused = chatops(tmp_path, "init --kind locl")
    assert (refused.returncode, refused.stderr) == (2, "error: unknown kind `locl`\nhint: did you mean `local`?\n")
    assert not (tmp_path / "chatops.yaml").exists()


def test_check_prints_problems_with_place_and_hint(tmp_path: Path) -> None:
    (tmp_path / "chatops.yaml").write_text(BROKEN)
    refused = chatops(tmp_path, "check")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "chatops.yaml:3:19: targets.local.prot: unknown key\n  hint: did you mean `port`?\nerror: 1 problem in chatops.yaml\n"
    )


def test_check_finds_the_file_of_a_parent_folder(tmp_path: Path) -> None:
    (tmp_path / "chatops.yaml").write_text(BROKEN)
    (tmp_path / "below").mkdir()
    assert chatops(tmp_path / "below", "check").stderr.startswith(f"{tmp_path}/chatops.yaml:3:19: ")


def test_check_misses_an_app_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "chatops.yaml").write_text("version: 1\napp: {name: chat, path: gone}\ntargets: {local: {}}\n")
    assert "chatops.yaml:2:25: app.path: no such folder" in chatops(tmp_path, "check").stderr


def test_check_as_json(tmp_path: Path) -> None:
    assert chatops(tmp_path, "init").returncode == 0
    assert answer(tmp_path, "check --json")["targets"] == [{"name": "local", "kind": "local"}]
    (tmp_path / "chatops.yaml").write_text(BROKEN)
    refused = answer(tmp_path, "check --json")
    assert refused["problems"] == [
        {
            "file": "chatops.yaml",
            "line": 3,
            "column": 19,
            "path": "targets.local.prot",
            "message": "unknown key",
            "hint": "did you mean `port`?",
        }
    ]
    assert answer(tmp_path, "--config nowhere.yaml check --json")["problems"] == []


def test_check_prints_the_schema_without_a_file(tmp_path: Path) -> None:
    schema = json.loads(chatops(tmp_path, "check --schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(catalog.kinds()) <= set(schema["$defs"])
