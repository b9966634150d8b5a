"""The size of strokes: one setting that means the same at every size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import impasto
from helpers import SHALLOW, Invoke, Pair, refused

LOSSES = ["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1"]


def painted(pair: Pair, *styles: str, **given: Any) -> Tensor:
    asked = {"size": 64, "scales": [32], "steps": 2, "loss": LOSSES, **given}
    return impasto.run(pair.content, [*map(str, styles)], **asked).image


def test_it_is_the_scale_of_all_styles(pair: Pair) -> None:
    other = str(pair.content)
    scaled = painted(pair, f"{pair.style}:scale=0.5", f"{other}:scale=1.0")
    small = painted(pair, str(pair.style), f"{other}:scale=2", stroke_size=0.5)
    assert torch.equal(scaled, small)
    assert not torch.equal(small, painted(pair, str(pair.style), f"{other}:scale=2"))


@pytest.mark.parametrize("size", [32, 64])
def test_in_pixels_it_is_that_of_a_result_of_that_size(pair: Pair, size: int) -> None:
    given = {"size": size, "scales": "single"}
    pixels = painted(pair, str(pair.style), stroke_size="32px", **given)
    assert torch.equal(pixels, painted(pair, str(pair.style), stroke_size=32 / size, **given))
    assert torch.equal(pixels, painted(pair, f"{pair.style}:size=32", **given))


def test_a_style_with_a_size_of_its_own_keeps_it(pair: Pair) -> None:
    own = f"{pair.style}:size=24"
    assert torch.equal(painted(pair, own), painted(pair, own, stroke_size=2))


def test_a_style_file_is_for_one_size_of_strokes(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    file, out = tmp_path / "a.style", tmp_path / "out.png"
    sizes = ("--size", 64, "--scales", "32", *SHALLOW)
    learned = invoke("style", "learn", pair.style, "-o", file, *sizes, "--stroke-size", "32px")
    assert learned.status == 0, learned.err
    run = ("run", pair.content, "-o", out, "--steps", 1, "--force", "--no-recipe", *sizes)
    pictures = []
    for style, strokes in ((file, "0.5"), (pair.style, "32px")):
        done = invoke(*run, "--style", style, "--stroke-size", strokes)
        assert done.status == 0, done.err
        pictures.append(out.read_bytes())
    assert pictures[0] == pictures[1]
    complaint = refused(invoke(*run, "--style", file))
    assert "was made for strokes of 0.5 times their size, not 1: make it again" in complaint


def test_a_recipe_and_a_dry_run_have_it(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    run = ("run", pair.content, pair.style, "-o", out, "--size", 64, "--steps", 1, *SHALLOW)
    dry = invoke(*run, "--stroke-size", "2", "--dry-run")
    assert dry.status == 0, dry.err
    done = invoke(*run, "--stroke-size", " 32 PX")
    assert done.status == 0, done.err
    assert json.loads(invoke("show", out, "--json").out)["settings"]["stroke_size"] == "32px"
    assert invoke("rerun", out, "-o", tmp_path / "again.png").status == 0
    assert out.read_bytes() == (tmp_path / "again.png").read_bytes()


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("0", "must be greater than 0"),
        ("-1", "must be greater than 0"),
        ("17", "must be less than or equal to 16"),
        ("nan", "must be"),
        *((value, "number > 0") for value in ("large", "0px", "-3px", "12 pixels", "1e9px")),
    ],
)
def test_what_is_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path, value: str, complaint: str
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png",
                  f"--stroke-size={value}")  # fmt: skip
    error = refused(done)
    assert "stroke_size" in error
    assert complaint in error
