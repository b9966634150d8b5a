"""Damaged style files and checkpoints: a clear line each time, also where the checksum was made to fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

import impasto
from fuzzing import EDITS, FEW, Edit, edited, many, only_clear_lines, quiet
from helpers import Invoke, Pair, refused
from impasto.storage.checkpoint import NAME, read_checkpoint
from impasto.storage.safetensors_file import sum_of
from impasto.storage.style_file import read_style_file

__all__ = ["quiet"]

SMALL = """
import impasto
import torch

class Small(impasto.Extractor):
    "One blur: a network that is ready at once."
    layers = ("blurred",)

    def __init__(self):
        super().__init__()
        self.register_buffer("kernel", torch.full((4, 3, 3, 3), 1 / 27))

    def forward(self, image):
        blurred = torch.nn.functional.conv2d(image.to(self.kernel.dtype), self.kernel)
        return {layer: blurred for layer in self.selected}


@impasto.hookimpl
def impasto_extractors():
    return [impasto.Offer("small", Small)]
"""

Learned = tuple[Path, dict[str, Any]]


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    plugin = tmp_path / "small.py"
    plugin.write_text(SMALL, encoding="utf-8")
    return {
        "plugin": str(plugin), "extractor": "small", "loss": "gram:layers=blurred", "size": 32,
        "scales": "single", "steps": 2, "precision": "float32", "load": "none",
    }  # fmt: skip


@pytest.fixture
def learned(pair: Pair, tmp_path: Path, options: dict[str, Any]) -> Path:
    path = tmp_path / "a.style"
    given = {key: value for key, value in options.items() if key not in ("steps",)}
    impasto.learn(pair.style, path, **given)
    return path


@pytest.fixture
def kept(pair: Pair, tmp_path: Path, options: dict[str, Any]) -> Path:
    folder = tmp_path / "kept"
    impasto.run(
        pair.content, pair.style, output=tmp_path / "out.png", checkpoint=str(folder),
        checkpoint_every=0, ema=0.5, schedule="StepLR:step_size=1", **options,
    )  # fmt: skip
    return folder


ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, 0, -1, 1, 16, 0.5, float("nan"), float("inf"), "", "x", "none", [], {}, 99]),
    st.text(max_size=4),
)  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, tree: Any) -> Any:
    """A tree of tables and lists with one part replaced, left out or doubled."""
    if not isinstance(tree, (dict, list)) or not tree or draw(st.integers(0, 5)) == 0:
        return draw(ODD)
    key = draw(st.sampled_from(sorted(tree) if isinstance(tree, dict) else range(len(tree))))
    copy: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    how = draw(st.integers(0, 5))
    if how == 0:
        del copy[key]
    elif how == 1 and isinstance(copy, list):
        copy.insert(key, copy[key])
    else:
        copy[key] = draw(changed(tree[key]))
    return copy


def headers_of(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        return dict(file.metadata()), {name: file.get_tensor(name) for name in names}


def signed(
    path: Path, key: str, tree: Any, whole: tuple[dict[str, str], dict[str, torch.Tensor]]
) -> None:
    """Write a file with another text in it, under a checksum that fits."""
    text = json.dumps(tree)
    header = {**whole[0], key: text, "sha256": sum_of(text, whole[1])}
    save_file(whole[1], path, header)


def attack_bytes(path: Path, read: Callable[[], object], options: settings) -> None:
    good = path.read_bytes()

    @options
    @given(edits=EDITS)
    def check(edits: list[Edit]) -> None:
        damaged = edited(good, edits)
        path.write_bytes(damaged)
        line = only_clear_lines(read)
        assert line or damaged == good or meaning(damaged) == meaning(good)

    check()


def meaning(file: bytes) -> object:
    """What a file of the format safetensors holds, whatever the order and the spaces in its header.

    The signature is no part of it: with another one a checkpoint is as whole, and somebody else's.
    """
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    header["__metadata__"].pop("signature", None)
    return header, file[8 + length :]


def attack_text(path: Path, key: str, run: Callable[[], object], options: settings) -> None:
    whole = headers_of(path)
    tree = json.loads(whole[0][key])

    @options
    @given(other=changed(tree))
    def check(other: Any) -> None:
        signed(path, key, other, whole)
        only_clear_lines(run)

    check()


def attack_checkpoint(folder: Path, options: settings) -> None:
    whole = headers_of(folder / NAME)
    tree = json.loads(whole[0]["state"])
    table = dict(tree["table"])

    @options
    @given(part=st.sampled_from(sorted(table)), data=st.data())
    def check(part: str, data: st.DataObject) -> None:
        other = {**table, part: data.draw(changed(table[part]))}
        signed(folder / NAME, "state", {"table": [*map(list, other.items())]}, whole)
        only_clear_lines(
            lambda: impasto.resume(folder, plugins=[str(folder.with_name("small.py"))])
        )

    check()


DEEP = settings(FEW, max_examples=30)
"""Each of these reads pictures and paints."""


def test_damaged_style_files(learned: Path) -> None:
    attack_bytes(learned, lambda: read_style_file(str(learned)), FEW)


def test_damaged_checkpoints(kept: Path) -> None:
    attack_bytes(kept / NAME, lambda: read_checkpoint(kept), FEW)


def test_style_files_that_say_something_else(
    learned: Path, pair: Pair, options: dict[str, Any]
) -> None:
    attack_text(learned, "impasto", lambda: impasto.run(pair.content, learned, **options), DEEP)


def test_checkpoints_that_say_something_else(kept: Path) -> None:
    attack_checkpoint(kept, DEEP)


@pytest.mark.slow
def test_many_damaged_files(learned: Path, kept: Path) -> None:
    attack_bytes(learned, lambda: read_style_file(str(learned)), many(0.2))
    attack_bytes(kept / NAME, lambda: read_checkpoint(kept), many(0.2))


@pytest.mark.slow
def test_many_files_that_say_something_else(
    learned: Path, kept: Path, pair: Pair, options: dict[str, Any]
) -> None:
    attack_text(
        learned, "impasto", lambda: impasto.run(pair.content, learned, **options), many(0.05)
    )
    attack_checkpoint(kept, many(0.05))


def test_through_the_command_line(
    invoke: Invoke, learned: Path, kept: Path, pair: Pair, tmp_path: Path
) -> None:
    for path, command in (
        (learned, ("run", pair.content, learned, "-o", tmp_path / "new.png")),
        (learned, ("style", "show", learned)),
        (kept / NAME, ("resume", kept)),
    ):
        good = path.read_bytes()
        for place in range(0, len(good), len(good) // 3):
            path.write_bytes(good[:place] + b"\xff\0\xff" + good[place + 3 :])
            assert "bug in Impasto" not in refused(invoke(*command))
        path.write_bytes(good)
