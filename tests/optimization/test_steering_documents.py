"""Recipes and checkpoints whose changes are damaged, absurd, or of another run: one line, no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, PngImagePlugin

import impasto
from helpers import Invoke, Pair, refused
from impasto.storage.checkpoint import open_checkpoint, packed
from impasto.storage.recipe import read_recipe, with_recipe

GRAM = ("--loss", "content:layers=conv1_2", "--loss", "gram:layers=conv1_1,weight=10")
STEER = """
import impasto

class Steer:
    @impasto.hookimpl
    def impasto_after_step(self, run, step):
        if step.number == 2:
            run.set_weight("gram", 3)

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("steer", Steer)]
"""


@pytest.fixture
def steered(invoke: Invoke, pair: Pair, tmp_path: Path) -> Path:
    """A picture whose run was steered after the second of its four steps."""
    plugin, out = tmp_path / "steer.py", tmp_path / "out.png"
    plugin.write_text(STEER, encoding="utf-8")
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 4, *GRAM,
                  "--plugin", plugin, "--callback", "steer",
                  "--checkpoint", tmp_path / "kept", "--checkpoint-every", 0)  # fmt: skip
    assert done.status == 0, done.err
    assert read_recipe(out)["changes"] == [[2, "weight", "gram", 3.0]]
    return out


def forged(picture: Path, **other: Any) -> Path:
    """The picture with another recipe, which needs no plugin."""
    recipe = {**read_recipe(picture), **other}
    recipe["settings"] = {key: one for key, one in recipe["settings"].items() if key != "plugin"}
    recipe["inputs"] = {key: one for key, one in recipe["inputs"].items() if key.endswith("png")}
    path, info = picture.with_name("forged.png"), PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", with_recipe(b"", recipe).decode())
    with Image.open(picture) as opened:
        opened.save(path, pnginfo=info)
    return path


REFUSED: dict[str, tuple[Any, str]] = {
    "no list": (7, "entry 'changes'"),
    "no lists": ([7], "change 1: it is no list of step, what, name and value"),
    "too short": ([[2, "weight", "gram"]], "change 1: it is no list of step, what, name and value"),
    "another term": ([[2, "weight", "grim", 3]], "change 1: unknown term 'grim'; did you mean 'gram'?"),
    "a table for a name": ([[2, "weight", {}, 3]], "change 1: unknown term '{}'."),
    "no kind": ([[2, "paint", "gram", 3]], "change 1: unknown change 'paint'."),
    "a list for a kind": ([[2, [], "gram", 3]], "change 1: unknown change '[]'."),
    "negative": ([[2, "weight", "gram", -3]], "change 1: the weight of term 'gram' must be"),
    "far too large": ([[2, "weight", "gram", 1e300]], "change 1: the weight of term 'gram' must be"),
    "text": ([[2, "weight", "gram", "3"]], "change 1: the weight of term 'gram' must be"),
    "nothing": ([[2, "weight", "gram", None]], "change 1: the weight of term 'gram' must be"),
    "true": ([[2, "weight", "gram", True]], "change 1: the weight of term 'gram' must be"),
    "another style": ([[2, "style_weight", 3, 1]], "change 1: no style 3: the run has 1"),
    "the only style": ([[2, "style_weight", 0, 1]], "change 1: the run has one style"),
    "finished with a name": ([[2, "finish_stage", "a", None]], "change 1: finish_stage has neither"),
    "out of order": (
        [[2, "weight", "gram", 3], [1, "weight", "gram", 4]],
        "change 2: step 1 is not from 2 to 4",
    ),
    "after the end": ([[5, "weight", "gram", 3]], "change 1: step 5 is not from 0 to 4"),
    "before the start": ([[-1, "weight", "gram", 3]], "change 1: step -1 is not from 0 to 4"),
    "half a step": ([[1.5, "weight", "gram", 3]], "change 1: step 1.5 is not from 0 to 4"),
    "deep": ([[[[[[[]]]]]]], "change 1: it is no list of step, what, name and value"),
}  # fmt: skip


def test_recipes(invoke: Invoke, steered: Path) -> None:
    for changes, line in REFUSED.values():
        done = invoke("rerun", forged(steered, changes=changes), "--force")
        said = refused(done)
        assert line in said, said
        assert not steered.with_name("forged_again.png").exists()


def test_many_changes_of_one_step_are_one(invoke: Invoke, steered: Path) -> None:
    many = [[1, "weight", "gram", number] for number in range(100_000)]
    done = invoke("rerun", forged(steered, changes=many))
    assert done.status == 0, done.err
    recipe = read_recipe(steered.with_name("forged_again.png"))
    assert recipe["changes"] == [[1, "weight", "gram", 99_999.0]]


def write(folder: Path, state: Mapping[str, object]) -> None:
    packed(state, torch.device("cpu")).write(folder)


def test_checkpoints(invoke: Invoke, steered: Path, tmp_path: Path) -> None:
    kept, plugin = tmp_path / "kept", tmp_path / "steer.py"
    state, _ = open_checkpoint(kept)
    assert state["changes"] == [[2, "weight", "gram", 3.0]]
    for changes, line in REFUSED.values():
        copy = tmp_path / "copy"
        shutil.copytree(kept, copy)
        write(copy, {**state, "changes": changes})
        said = refused(invoke("resume", copy, "--plugin", plugin, "--trust"))
        assert line in said, said
        shutil.rmtree(copy)
    write(kept, {**state, "asked": [[4, "weight", "grim", 3]]})
    assert "change 2: unknown term 'grim'" in refused(invoke("resume", kept, "--plugin", plugin))
    bare = {name: value for name, value in state.items() if name != "changes"}
    write(kept, bare)
    assert "is damaged: the entry 'changes' must be given" in refused(
        invoke("resume", kept, "--plugin", plugin)
    )


def test_show_says_what_was_changed(invoke: Invoke, steered: Path) -> None:
    assert json.loads(invoke("show", steered, "--json").out)["changes"] == [
        [2, "weight", "gram", 3]
    ]
    assert 'changes: [[2, "weight", "gram", 3.0]]' in invoke("show", steered).out


def test_several_processes_are_not_steered(pair: Pair) -> None:
    from impasto.model.ranks import Ranks

    said: list[str] = []

    class Ask:
        @impasto.hookimpl
        def impasto_after_step(self, run: impasto.Run) -> None:
            run.objective.ranks = Ranks(0, 2)
            said.append(run.cannot_be_steered)
            for ask in (run.pause, run.one_step, run.finish_stage, lambda: run.rewind(0)):
                with pytest.raises(impasto.SettingsError, match="several processes paint"):
                    ask()
            run.objective.ranks = None

    impasto.run(pair.content, pair.style, size=32, steps=1, loss=["tv"], callback=[Ask()])
    assert said == ["several processes paint this picture: their run cannot be steered"]
