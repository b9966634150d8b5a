"""Starts: what the first canvas shows, seen in the picture of a run that changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import impasto
from helpers import Invoke, Pair
from impasto.images.tensors import open_picture, to_tensor
from impasto.model.color import statistics


def start(pair: Pair, init: str, size: int = 32, seed: int = 0) -> Tensor:
    given = {"size": size, "steps": 1, "init": init, "seed": seed, "loss": "tv:weight=0"}
    given["scales"] = "single"
    return impasto.run(pair.content, pair.style, **given).image  # type: ignore[arg-type]


def test_noise_is_gray_and_follows_the_seed(pair: Pair) -> None:
    noise = start(pair, "noise", 64)
    assert noise.mean().item() == pytest.approx(0.5, abs=0.01)
    assert noise.std().item() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(noise, start(pair, "noise", 64))
    assert not torch.equal(noise, start(pair, "noise", 64, seed=1))


def test_noise_has_the_styles_color_statistics(pair: Pair) -> None:
    # Soft colors, so that hardly any noise is clipped.
    with Image.open(pair.style) as picture:
        Image.blend(picture, Image.new("RGB", picture.size, "gray"), 0.6).save(pair.style)
    mean, covariance = statistics(to_tensor(open_picture(pair.style)))
    made, spread = statistics(start(pair, "noise:colors=style", 256))
    torch.testing.assert_close(made, mean, rtol=0, atol=0.005)
    torch.testing.assert_close(spread, covariance, rtol=0.05, atol=3e-4)
    assert covariance.diagonal().max() > 10 * 3e-4


def test_a_blend_is_the_weighted_mean(pair: Pair) -> None:
    content, style, noise = (start(pair, init) for init in ("content", "style", "noise"))
    torch.testing.assert_close(
        start(pair, "blend:content=3,style=1"), 0.75 * content + 0.25 * style
    )
    torch.testing.assert_close(
        start(pair, "blend:content=0.8,noise=0.2"), 0.8 * content + 0.2 * noise
    )


def test_a_file_whose_name_is_no_start(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "noise.png"
    Image.open(pair.content).save(file)
    assert torch.equal(start(pair, str(file)), start(pair, "content"))


@pytest.mark.parametrize(
    ("init", "complaint"),
    [
        ("blend", "init 'blend' needs two weights or more, e.g. blend:content=0.8,noise=0.2"),
        ("blend:content=1", "needs two weights or more"),
        ("blend:contnet=1", "unknown option 'contnet'; did you mean 'content'?"),
        ("noise:colors=red", "colors"),
        ("nosie", "picture 'nosie' does not exist; allowed: content, style, noise, blend, or a"),
    ],
)
def test_what_is_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path, init: str, complaint: str
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--init", init,
                  "--loss", "tv")  # fmt: skip
    assert done.status == 1
    assert complaint in done.error
