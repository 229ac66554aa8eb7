"""What every kind of target owes the rest of the house. A new folder in chatops/targets is held to it unasked."""

from __future__ import annotations

import ast
import inspect
import socket
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pydantic
import pytest

from chatops import config
from chatops.errors import ConfigError
from chatops.goals import Plan, Remove
from chatops.model import App, State
from chatops.targets import catalog
from chatops.targets.base import Target
from tests.blocks import block_of

ROOT = Path(__file__).parents[1]
TARGETS = ROOT / "chatops" / "targets"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
METHODS = [name for name, value in vars(Target).items() if inspect.isfunction(value) and not name.startswith("_")]

kinds = pytest.mark.parametrize("kind", catalog.kinds())


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection is an error."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def made(kind: str, folder: Path) -> Any:
    """A target of this kind, from its block in the example."""
    block = next(entry.block for entry in config.load(config.bundled_example()).targets.values() if entry.kind == kind)
    return catalog.make(kind, "place", block, App("chat", folder), folder)


def modules(kind: str, part: str) -> list[Path]:
    """The files of a part: one file, or a folder of them."""
    file, folder = TARGETS / kind / f"{part}.py", TARGETS / kind / part
    return [file] if file.exists() else sorted(folder.rglob("*.py"))


def test_there_are_kinds() -> None:
    assert {"heroku", "local"} <= set(catalog.kinds())


@kinds
def test_the_folder_has_the_four_parts(kind: str) -> None:
    assert [part for part in ("config", "plan", "client", "target") if not modules(kind, part)] == []


@kinds
def test_the_block_is_closed_and_frozen(kind: str) -> None:
    block = catalog.block_model(kind)
    assert block.__dataclass_params__.frozen
    with pytest.raises(pydantic.ValidationError, match="Unexpected keyword"):
        block_of(block, {"no_such_key": 1})
    assert block.__doc__


@kinds
def test_the_example_has_its_block(kind: str) -> None:
    assert kind in {entry.kind for entry in config.load(config.bundled_example()).targets.values()}


@kinds
@pytest.mark.usefixtures("no_network")
def test_it_is_made_and_closed_without_the_network(kind: str, tmp_path: Path) -> None:
    import asyncio

    target = made(kind, tmp_path)
    assert (target.name, target.kind) == ("place", kind)
    assert list(tmp_path.iterdir()) == []
    asyncio.run(target.close())


@kinds
@pytest.mark.parametrize("method", METHODS)
def test_it_has_every_method_with_its_signature(kind: str, method: str, tmp_path: Path) -> None:
    wanted, found = getattr(Target, method), getattr(type(made(kind, tmp_path)), method)
    assert list(inspect.signature(found).parameters) == list(inspect.signature(wanted).parameters)
    assert inspect.iscoroutinefunction(found) == inspect.iscoroutinefunction(wanted)
    if "AsyncGenerator" in str(inspect.signature(wanted).return_annotation):
        assert inspect.isasyncgenfunction(found)
    assert found.__doc__


@kinds
def test_its_plan_is_pure(kind: str) -> None:
    """import-linter keeps doors and asyncio out of it; here: it is under that contract, and it opens nothing itself."""
    values = next(contract for contract in CONTRACTS if contract["name"] == "values import no door and no asyncio")
    assert f"chatops.targets.{kind}.plan" in values["source_modules"], "add it to the contract in pyproject.toml"
    for path in modules(kind, "plan"):
        tree = ast.parse(path.read_text())
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)], path
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not called & {"open", "print", "input", "time.time", "time.monotonic", "os.environ.get"}, path


@kinds
@pytest.mark.usefixtures("no_network")
def test_it_plans_without_the_network(kind: str, tmp_path: Path) -> None:
    """Nothing there and nothing wanted: an empty plan, twice the same."""
    target = made(kind, tmp_path)
    state = empty(kind)
    try:
        plans = [target.plan(state, Remove()) for _ in range(2)]
    except ConfigError as error:
        pytest.fail(f"an empty place can be left empty: {error}")
    assert plans[0] == plans[1]
    assert isinstance(plans[0], Plan)
    assert not plans[0].changes


def empty(kind: str) -> State:
    """What `inspect` of this kind gives for a place where nothing is."""
    states = {
        value
        for path in [*modules(kind, "plan"), *modules(kind, "facts")]
        for value in vars(_module(path)).values()
        if inspect.isclass(value) and issubclass(value, State) and value is not State
    }
    (state,) = states
    assert is_dataclass(state)
    assert {field.name for field in fields(State)} <= {field.name for field in fields(state)}
    found: State = state(target="place", kind=kind)
    return found


def _module(path: Path) -> Any:
    import importlib

    parts = path.relative_to(ROOT).with_suffix("").parts
    return importlib.import_module(".".join(parts).removesuffix(".__init__"))


@kinds
def test_other_folders_are_strangers(kind: str) -> None:
    apart = next(contract for contract in CONTRACTS if contract["type"] == "independence")
    assert f"chatops.targets.{kind}" in apart["modules"], "add it to the contract in pyproject.toml"


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown kind `nowhere`"):
        catalog.block_model("nowhere")
