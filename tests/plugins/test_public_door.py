"""Plugins and the templates of ``impasto plugins new`` use only what is public of the engine."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import impasto
import impasto.plugin
import impasto.testing
from impasto.command.new_plugin import EXAMPLES, texts

ROOT = Path(__file__).parents[2]
CODE = {
    **{
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in (ROOT / "plugins").rglob("*.py")
    },
    **{
        f"new {kind}: {name}": text
        for kind in EXAMPLES
        for name, text in texts(kind, "mine").items()
        if name.endswith(".py")
    },
}
"""The built-in plugins, and what ``impasto plugins new`` writes."""
MODULES = {"impasto", "impasto.plugin", "impasto.testing"}
SUBMODULES = {"plugin", "testing"}


def private(code: str) -> Iterator[str]:
    """What a file uses of the engine that is not public."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("impasto.")]
            yield from (name for name in names if name not in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            of_engine = node.module.split(".")[0] == "impasto"
            if of_engine and node.module not in MODULES:
                yield node.module
            elif of_engine:
                yield from (
                    f"{node.module}.{alias.name}"
                    for alias in node.names
                    if alias.name not in public(node.module)
                )
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "impasto":
            yield from {f"impasto.{node.attr}"} if node.attr not in public("impasto") else ()


def public(module: str) -> set[str]:
    """The names of a public module that plugins may use."""
    if module == "impasto":
        return {*impasto.__all__, *SUBMODULES}
    if module == "impasto.plugin":
        return set(impasto.plugin.__all__)
    return {name for name in vars(impasto.testing) if not name.startswith("_")}


@pytest.mark.parametrize("name", CODE)
def test_a_plugin_uses_only_what_is_public(name: str) -> None:
    assert list(private(CODE[name])) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import impasto\nimpasto.Loss", []),
        ("from impasto.plugin import save\nfrom impasto import Loss", []),
        ("from impasto.model.loss import Loss", ["impasto.model.loss"]),
        ("import impasto.errors", ["impasto.errors"]),
        ("import impasto\nimpasto.errors.unknown('a', 'b', [])", ["impasto.errors"]),
        ("from impasto import errors", ["impasto.errors"]),
        ("from impasto.plugin import Image", ["impasto.plugin.Image"]),
    ],
)
def test_what_is_not_public_is_found(code: str, found: list[str]) -> None:
    assert list(private(code)) == found


@pytest.mark.parametrize("name", impasto.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(impasto, name) is not None
