"""A card that falls off takes the canvas along: the picture that was copied last is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import impasto
from helpers import Pair
from impasto.plugin import to_tensor

LOSSES = ["content:layers=conv1_2", "gram:layers=conv1_1"]


class Lost(impasto.Canvas):
    """Cannot be read any more after some steps, as a card's memory; the engine is told that it is one."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.pixels = nn.Parameter(image.clone())
        self.reads = 0

    def forward(self) -> Tensor:
        self.reads += 1
        if self.reads > 8:
            raise RuntimeError("CUDA error: unspecified launch failure")
        return self.pixels


@pytest.fixture
def as_on_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.jobs.saving.can_be_lost", lambda run: True)
    monkeypatch.setattr("impasto.jobs.rescue.EVERY", 0.0)
    monkeypatch.setattr("impasto.jobs.rescue.MOST_OF_THE_TIME", 1e9)


def painted(pair: Pair, out: Path) -> impasto.Result:
    return impasto.run(
        pair.content, pair.style, size=32, scales="single", steps=9, loss=LOSSES, optimizer="adam",
        canvas=Lost, output=out,
    )  # fmt: skip


@pytest.mark.usefixtures("as_on_a_card")
def test_the_picture_that_was_copied_last_is_written(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(impasto.RunFailed) as failed:
        painted(pair, tmp_path / "out.png")
    result = failed.value.result
    assert 0 < result.steps < 8
    line = str(failed.value)
    assert line.endswith(f"the picture after {result.steps} steps is in '{tmp_path / 'out.png'}'")
    assert "unspecified launch failure" in line
    assert "cannot be read any more, and what was copied last is kept" in line
    assert len(result.losses) == result.steps
    with Image.open(tmp_path / "out.png") as written:
        assert torch.equal(to_tensor(written), to_tensor(result.picture))


def test_a_processor_keeps_no_copies(pair: Pair, tmp_path: Path) -> None:
    """What it fails with leaves its memory as it is, unless the canvas itself is at fault."""
    with pytest.raises(impasto.ImpastoError, match="read any more, and no picture is kept"):
        painted(pair, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()
