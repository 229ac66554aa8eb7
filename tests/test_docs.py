"""What the documentation says holds: links lead somewhere, files load, every command is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatops import config
from chatops.cli.verbs import VERBS
from chatops.errors import ChatopsError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pages
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in targets if "://" not in link and not (page.parent / link).exists()] == []


@pages
def test_files_that_are_shown_load(page: Path, tmp_path: Path) -> None:
    (tmp_path / "chat").mkdir()
    shown = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    for text in (text for text in shown if "\napp:" in text and "\ntargets:" in text):
        (tmp_path / "chatops.yaml").write_text(text)
        assert config.load(tmp_path / "chatops.yaml").targets


@pages
def test_options_that_are_shown_exist(page: Path) -> None:
    shown = re.findall(r"\$ (?:\.venv/bin/)?chatops (?:-c \S+ )?(\w+)", page.read_text())
    assert set(shown) <= set(VERBS)


def test_the_readme_names_every_command_and_exit_code() -> None:
    text = (ROOT / "README.md").read_text()
    assert [verb for verb in VERBS if f"`{verb}" not in text and verb != "demo"] == []
    codes = {error.exit_code for error in ChatopsError.__subclasses__()} | {0, 1, 7, 8}
    assert [code for code in codes if not re.search(rf"\b{code} [a-z]", text)] == []


def test_security_and_dependencies_name_what_is_there() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=]", line)[0] for line in [*project["dependencies"], *project["optional-dependencies"]["local"]]]
    assert [name for name in names if name not in text] == []
