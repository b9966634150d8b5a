"""The loss ``temporal`` against its formula, and in a run."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

import impasto
from helpers import Invoke, Pair, drawn, refused
from impasto_plugins.losses.temporal import TemporalLoss


def test_value_by_its_formula(tmp_path: Path) -> None:
    """Ruder et al. 2016, section 4.1: the mean over pixels and colors of c (x − ω)²."""
    earlier, mask = drawn(7, 5, seed=1), Image.new("L", (7, 5))
    mask.paste(255, (2, 1, 5, 4))
    earlier.save(tmp_path / "w.png")
    mask.save(tmp_path / "c.png")
    loss = TemporalLoss(str(tmp_path / "w.png"), str(tmp_path / "c.png"))
    image = torch.rand(1, 3, 5, 7, dtype=torch.float64)
    total = 0.0
    for y in range(1, 4):
        for x in range(2, 5):
            wanted = numpy.asarray(earlier)[y, x] / 255
            total += float(((image[0, :, y, x].numpy() - wanted) ** 2).sum())
    value = loss.compare(loss.summarize({"image": image}), {})
    assert value.item() == pytest.approx(total / (3 * 5 * 7), rel=1e-5)


def test_gradient_without_a_mask(tmp_path: Path) -> None:
    drawn(9, 6, seed=1).save(tmp_path / "w.png")
    loss = TemporalLoss(str(tmp_path / "w.png"))
    image = torch.rand(1, 3, 6, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: loss.compare(loss.summarize({"image": x}), {}), image, eps=1e-6
    )


def test_a_strong_one_holds_the_masked_part(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    """The left half of the result is the other picture, the right half is not."""
    earlier, mask = Image.new("RGB", (32, 24), (200, 40, 90)), Image.new("L", (32, 24))
    mask.paste(255, (0, 0, 16, 24))
    earlier.save(tmp_path / "w.png")
    mask.save(tmp_path / "c.png")
    loss = f"temporal:picture={tmp_path / 'w.png'},mask={tmp_path / 'c.png'},weight=1e5"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 32,
                  "--scales", "single", "--steps", 30, "--plugin", "impasto.testing", "--extractor",
                  "tiny", "--loss", "content", "--loss", "gram", "--loss", loss)  # fmt: skip
    assert done.status == 0, done.err
    found = numpy.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(float)
    apart = numpy.abs(found - numpy.asarray(earlier)).mean((0, 2))
    assert apart[:15].max() < 3
    assert apart[18:].min() > 20


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("", "loss 'temporal': the option 'picture' must be given"),
        (":picture=none.png", "picture 'none.png' does not exist"),
        (":picture=", "option 'picture'"),
    ],
)
def test_a_picture_must_be_there(
    invoke: Invoke, pair: Pair, tmp_path: Path, options: str, complaint: str
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--loss", "content",
                  "--loss", f"temporal{options}", "--plugin", "impasto.testing", "--extractor",
                  "tiny")  # fmt: skip
    assert complaint in refused(done)


def test_it_is_a_whole() -> None:
    """Tiles of a large picture would each see the whole of the other one."""
    assert TemporalLoss.summary == "whole"
    assert issubclass(TemporalLoss, impasto.Loss)
