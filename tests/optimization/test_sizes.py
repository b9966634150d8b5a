"""The same settings at several sizes: the measure of stroke breadth, and the command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from helpers import Pair
from impasto_profiling import sizes


@pytest.mark.parametrize("waves", [8, 16, 32])
@pytest.mark.parametrize("side", [96, 192])
def test_breadth_is_the_wavelength_of_stripes_whatever_the_size(waves: int, side: int) -> None:
    across = torch.arange(side) / side
    stripes = (0.5 + 0.3 * torch.sin(2 * math.pi * waves * across)).expand(1, 3, side, side)
    plain = torch.full((1, 3, side, side), 0.5)
    assert sizes.breadth(stripes, plain) == pytest.approx(1 / waves, rel=0.05)


def test_a_tint_is_no_stroke() -> None:
    torch.manual_seed(0)
    content = torch.rand(1, 3, 64, 64)
    strokes = torch.rand(1, 3, 64, 64) / 10
    tinted = content + strokes + 0.3
    assert sizes.breadth(tinted, content) == pytest.approx(
        sizes.breadth(content + strokes, content)
    )


def test_the_command_paints_measures_and_lays_out(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = tmp_path / "plain.toml"
    preset.write_text('about = "x"\nloss = ["gram:layers=conv1_1"]\nsteps = 1\n', encoding="utf-8")
    folder = tmp_path / "out"
    arguments = ["--pair", f"{pair.content},{pair.style}", "--preset", str(preset),
                 "--sizes", "64,32", "--folder", str(folder), "--cell", "48"]  # fmt: skip
    done = CliRunner().invoke(sizes.main, arguments)
    assert done.exit_code == 0, done.output
    records = json.loads((folder / "sizes.json").read_text(encoding="utf-8"))
    assert [record["size"] for record in records] == [32, 64]
    assert all(0 < record["stroke_breadth"] < 1 / sizes.FEWEST_WAVES for record in records)
    with Image.open(folder / "sizes.png") as sheet:
        assert sheet.width == 2 * 48 + 3 * 8
    monkeypatch.setattr(sizes, "run_settings", None)
    again = CliRunner().invoke(sizes.main, arguments)
    assert again.exit_code == 0, "what is there is not painted again"
    assert again.output.splitlines()[-1] == done.output.splitlines()[-1]
