"""Several styles: their weights and sizes, by every door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import impasto
from helpers import SHALLOW, Invoke, Pair, drawn
from impasto.optimization.stages import Stage
from impasto.settings.settings import gather, validate

LOSSES = ["content:layers=conv1_1", "gram:layers=conv1_1,conv2_1"]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.png"
    drawn(40, 60, seed=7).save(path)
    return path


def painted(pair: Pair, style: object, **given: object) -> Tensor:
    given = {"size": 32, "steps": 3, "loss": LOSSES, **given}
    return impasto.run(pair.content, style, **given).image  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", ["gram:layers=conv1_1", "sliced:layers=conv1_1"])
def test_weights_one_and_zero_equal_one_style(pair: Pair, other: Path, loss: str) -> None:
    alone = painted(pair, pair.style, loss=loss)
    weighed = painted(pair, [str(pair.style), f"{other}:weight=0"], loss=loss)
    assert torch.equal(alone, weighed)
    assert not torch.equal(alone, painted(pair, [pair.style, other], loss=loss))


def test_weights_count_relative_to_each_other(pair: Pair, other: Path) -> None:
    three = [impasto.Style(str(pair.style), weight=3), f"{other}:weight=1"]
    assert torch.equal(painted(pair, three), painted(pair, [f"{pair.style}:weight=0.75",
                                                            f"{other}:weight=0.25"]))  # fmt: skip
    # Each step of the weight brings the picture nearer to the one that the second style gives.
    only = painted(pair, other)
    apart = [
        (painted(pair, [f"{pair.style}:weight={1 - w}", f"{other}:weight={w}"]) - only).norm()
        for w in (0.1, 0.5, 0.9)
    ]
    assert apart[0] > apart[1] > apart[2] > 0


def test_styles_by_place_and_by_option(
    invoke: Invoke, pair: Pair, other: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    done = invoke(
        "run", pair.content, pair.style, "--style", f"{other}:weight=0.3,scale=0.5", "-o", out,
        "--size", 32, "--steps", 2, *SHALLOW, "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert json.loads(done.out)["steps"] == 2
    expected = impasto.run(
        pair.content, [pair.style, impasto.Style(str(other), weight=0.3, scale=0.5)],
        size=32, steps=2, loss=["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1,weight=10"],
    )  # fmt: skip
    with Image.open(out) as picture:
        assert picture.tobytes() == expected.picture.tobytes()
    only = invoke("run", pair.content, "--style", other, "-o", out, "--force", "--size", 32,
                  "--steps", 1, "--loss", "tv")  # fmt: skip
    assert only.status == 0, only.err


def test_a_scaled_style_is_the_picture_at_that_size(pair: Pair, tmp_path: Path) -> None:
    with Image.open(pair.style) as picture:
        half = tmp_path / "half.png"
        picture.resize((16, 16), Image.Resampling.BICUBIC).save(half)
    scaled = painted(pair, f"{pair.style}:scale=0.5")
    fixed = painted(pair, f"{pair.style}:size=16")
    assert torch.equal(scaled, fixed)
    # Only the rounding to 8 bits is between the two.
    shrunk = painted(pair, f"{half}:size=16")
    assert (scaled - shrunk).abs().mean() < 0.3 * (scaled - painted(pair, pair.style)).abs().mean()


def test_size_of_a_style_in_a_stage() -> None:
    stage = Stage(0, 100, 50, 1)
    style = impasto.Style
    assert stage.style_size(60, 30, "keep", style("a")) == (100, 50)
    assert stage.style_size(30, 60, "keep", style("a", scale=0.5)) == (25, 50)
    assert stage.style_size(30, 60, "keep", style("a", size=80)) == (40, 80)
    assert stage.style_size(30, 60, "stretch", style("a", scale=2)) == (200, 100)


def test_styles_in_a_toml_file_and_in_a_table(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'content = "c.jpg"\n[[style]]\nfile = "a:b=c.jpg"\nweight = 0.5\n[[style]]\nfile = "d.jpg"\n'
    )
    settings = gather({}, None, str(config))
    assert settings.style == (impasto.Style("a:b=c.jpg", weight=0.5), impasto.Style("d.jpg"))
    assert validate(settings.as_table()) == settings
    assert impasto.Style.parse("C:\\d.jpg:weight=2") == impasto.Style("C:\\d.jpg", weight=2)
    assert str(impasto.Style.parse("d.jpg:weight=2,scale=0.5")) == "d.jpg:weight=2.0,scale=0.5"


@pytest.mark.parametrize(
    ("style", "complaint"),
    [
        ("{}:wieght=1", "unknown option 'wieght'; did you mean 'weight'?"),
        ("{}:weight=-1", "option 'weight': must be greater than or equal to 0, not '-1'"),
        ("{}:scale=0", "option 'scale': must be greater than 0"),
        ("{}:weight=0", "the weights of all styles are 0; at least one must be more than 0"),
        ("{}:scale=2,size=20", "give scale or size, not both"),
        ("{}:scale=0.1", "would be 3 × 3 pixels in the coarsest stage"),
        (":weight=1", "names no style picture"),
    ],
)
def test_what_is_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path, style: str, complaint: str
) -> None:
    done = invoke("run", pair.content, style.format(pair.style), "-o", tmp_path / "out.png",
                  "--size", 32, "--loss", "gram:layers=conv3_1")  # fmt: skip
    assert done.status == 1
    assert complaint in done.error
    assert not (tmp_path / "out.png").exists()
