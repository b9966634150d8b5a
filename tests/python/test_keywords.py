"""Settings as keyword arguments: all of them, with their types, and wrong ones refused."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from mypy import api as mypy

import impasto
import impasto.testing

SETTINGS = typing.get_type_hints(impasto.Settings)
KEYWORDS = typing.get_type_hints(impasto.RunKeywords)
BY_PLACE = {"content", "style"}


def parts(annotation: Any) -> Iterator[Any]:
    """The types and words that a type consists of; of containers, what they contain."""
    if typing.get_origin(annotation) is Literal:
        yield from typing.get_args(annotation)
    elif typing.get_origin(annotation) is Callable:
        yield Callable
    elif arguments := [one for one in typing.get_args(annotation) if one is not ...]:
        first = typing.get_origin(annotation) is Annotated
        for argument in arguments[:1] if first else arguments:
            yield from parts(argument)
    else:
        yield annotation


def test_every_setting_is_a_keyword_and_no_other() -> None:
    assert {*KEYWORDS} == {*SETTINGS} - BY_PLACE
    assert not impasto.RunKeywords.__required_keys__


@pytest.mark.parametrize("name", sorted({*SETTINGS} - BY_PLACE))
def test_a_keyword_takes_what_its_setting_holds(name: str) -> None:
    assert {*parts(SETTINGS[name])} <= {*parts(KEYWORDS[name])}


def test_each_keyword_is_documented() -> None:
    tree = ast.parse(inspect.getsource(impasto.RunKeywords))
    body = tree.body[0].body[1:]  # type: ignore[attr-defined]
    fields, texts = body[::2], body[1::2]
    assert [field.target.id for field in fields] == [*impasto.RunKeywords.__annotations__]
    assert all(isinstance(text.value, ast.Constant) for text in texts)


CODE = """
import impasto
import torch
class Mine(impasto.Loss): ...
class Screen(impasto.Canvas):
    def __init__(self, image: torch.Tensor) -> None: ...
    def forward(self) -> torch.Tensor: return torch.zeros(1, 3, 16, 16)
def watch(step: impasto.Step) -> None: ...
impasto.run("a", "b", preset="quick", size=64, loss=["content", Mine()], canvas=Screen,
            optimizer=lambda p: torch.optim.AdamW(p, lr=0.02), callback=[watch], steps=[3, 4])
impasto.run("a", "b", siez=64)
impasto.run("a", "b", colors="blue")
impasto.steps("a", "b", ema="much")
"""


@pytest.mark.slow
def test_mypy_takes_right_keywords_and_refuses_wrong_ones(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text(CODE)
    cache = str(tmp_path / "cache")
    out, trouble, _ = mypy.run(
        ["--no-error-summary", "--follow-imports=silent", "--cache-dir", cache, str(file)]
    )
    assert trouble == ""
    errors = [line for line in out.splitlines() if ": error:" in line]
    wrong = CODE.splitlines().index('impasto.run("a", "b", siez=64)') + 1
    assert [int(line.split(":")[1]) for line in errors] == [wrong, wrong + 1, wrong + 2]
    assert 'Unexpected keyword argument "siez"' in errors[0]


def test_an_unknown_keyword_is_one_line_with_the_nearest_match() -> None:
    with pytest.raises(
        impasto.SettingsError, match=r"^unknown setting 'siez'; did you mean 'size'\?"
    ):
        impasto.testing.run(siez=64)
