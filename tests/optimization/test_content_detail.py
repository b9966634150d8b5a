"""The content's fine detail, which is added where a stage begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import impasto
from helpers import Invoke, Pair, refused
from impasto.plugin import resized, to_tensor

NOTHING = {"loss": ["tv:weight=0"], "steps": 1, "size": 64, "scales": [32]}
"""A run that paints nothing: what is seen is how its stages start."""


def started(pair: Pair, **given: Any) -> Tensor:
    return impasto.run(pair.content, pair.style, **{**NOTHING, **given}).image


def test_what_the_stage_before_lost_comes_back(pair: Pair) -> None:
    whole = started(pair, scales="single")
    height, width = whole.shape[2:]
    lost = resized(resized(whole, height // 2, width // 2), height, width)
    assert torch.allclose(started(pair), lost, atol=1e-6)
    assert not torch.allclose(lost, whole, atol=0.05)
    assert torch.allclose(started(pair, content_detail=1), whole, atol=1e-6)
    half = started(pair, content_detail=0.5)
    assert torch.allclose(half, ((lost + whole) / 2).clamp(0, 1), atol=1e-6)


def test_it_is_added_to_what_was_painted_and_not_to_the_first_stage(pair: Pair) -> None:
    first = started(pair, init="style", content_detail=1, scales="single")
    assert torch.equal(first, started(pair, init="style", scales="single"))
    painted = started(pair, init="style", content_detail=1)
    with Image.open(pair.content) as picture:
        content = resized(to_tensor(picture), *painted.shape[2:])
    coarse = resized(started(pair, init="style", size=32, scales="single"), *painted.shape[2:])
    height, width = painted.shape[2] // 2, painted.shape[3] // 2
    detail = content - resized(resized(content, height, width), *content.shape[2:])
    assert torch.allclose(painted, (coarse + detail).clamp(0, 1), atol=1e-6)


def test_there_must_be_content(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    done = invoke("run", "--style", pair.style, "--preset", "texture", "-o", tmp_path / "a.png",
                  "--size", "32x32", "--content-detail", 1)  # fmt: skip
    assert "content_detail 1 is that of the content picture, and there is none" in refused(done)
