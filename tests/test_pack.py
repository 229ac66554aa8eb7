"""A folder becomes a release: the same content, the same id; nothing that should stay behind goes along."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from chatops.errors import ConfigError
from chatops.pack import files, pack, processes


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "Procfile").write_text("# comment\nweb: node server.js --port $PORT\nworker: node jobs.js\n")
    (folder / "src/a.js").write_text("a")
    (folder / "server.js").write_text("s")
    return folder


def names(folder: Path) -> list[str]:
    return [name for name, _ in files(folder)]


def test_the_same_content_is_the_same_release(app: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(app, copy)
    os.utime(copy / "server.js", (time.time() - 5000,) * 2)
    one, other = pack(app), pack(copy)
    assert (one.id, one.digest, one.command) == (other.id, other.digest, "node server.js --port $PORT")
    (copy / "src/a.js").write_text("b")
    assert pack(copy).id != one.id


def test_the_archive_tells_nothing_of_this_machine(app: Path) -> None:
    (app / "tool").write_text("#!/bin/sh\n")
    (app / "tool").chmod(0o777)
    with tarfile.open(pack(app).archive) as tar:
        members = tar.getmembers()
    assert {(one.uid, one.gid, one.mtime, one.uname) for one in members} == {(0, 0, 0, "")}
    assert {one.name: one.mode for one in members}["tool"] == 0o755


def test_ignore_files_are_honoured(app: Path) -> None:
    for name in ("node_modules/x.js", ".git/HEAD", "data/db", "logs/a.log", "src/keep.log", "src/b.tmp", ".env", "docs/a.md"):
        (app / name).parent.mkdir(exist_ok=True)
        (app / name).write_text("x")
    (app / ".gitignore").write_text("data/\n*.log\n.env\n")
    (app / ".slugignore").write_text("docs\n")
    (app / "src/.gitignore").write_text("!keep.log\n*.tmp\n")
    assert names(app) == [".gitignore", ".slugignore", "Procfile", "server.js", "src/.gitignore", "src/a.js", "src/keep.log"]


def test_the_operators_secrets_stay_here(app: Path) -> None:
    (app / ".env").write_text("API_TOKEN=abc")
    assert ".env" not in names(app)


def test_links_stay_inside(app: Path) -> None:
    (app / "link.js").symlink_to("src/a.js")
    with tarfile.open(pack(app).archive) as tar:
        assert tar.getmember("link.js").linkname == "src/a.js"
    (app / "out").symlink_to("/etc/passwd")
    with pytest.raises(ConfigError, match="links out of the app's folder"):
        pack(app)


def test_special_files_are_left_out(app: Path) -> None:
    os.mkfifo(app / "pipe")
    assert "pipe" not in names(app)


@pytest.mark.parametrize(
    ("content", "command"),
    [
        ({"Procfile": "web: gunicorn app\n"}, "gunicorn app"),
        ({"package.json": '{"scripts": {"start": "node x.js"}}'}, "node x.js"),
        ({"package.json": '{"main": "index.js"}', "index.js": ""}, "node index.js"),
        ({"package.json": '{"main": "index.js", "scripts": null}', "index.js": ""}, "node index.js"),
        ({"Procfile": "\ufeffweb: node x.js\r\n"}, "node x.js"),
    ],
)
def test_how_an_app_starts(tmp_path: Path, content: dict[str, str], command: str) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    assert pack(tmp_path).command == command


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "does not say how the app starts"),
        ({"Procfile": "web node server.js\n"}, "no `type: command`"),
        ({"package.json": "{"}, "is no JSON"),
        ({"Procfile": "web: x", "package.json": '{"dependencies": {"ws": "8"}}'}, "no package-lock.json"),
    ],
)
def test_what_cannot_be_packed(tmp_path: Path, content: dict[str, str], message: str) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        pack(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        pack(tmp_path / "nowhere")


def test_procfiles(app: Path) -> None:
    assert processes(app) == {"web": "node server.js --port $PORT", "worker": "node jobs.js"}
    assert processes(app / "src") == {}
