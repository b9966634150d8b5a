"""The main job by its front doors: the command line and the Python API, on real files."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

import impasto
from helpers import SHALLOW, Invoke, Pair


def test_command_paints_a_picture_and_lowers_the_loss(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 48, "--steps", 12,
                  *SHALLOW, "--json")  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads(done.out)
    assert record["loss"]["last"] < record["loss"]["first"] / 2
    assert (record["output"], record["width"], record["height"]) == (str(out), 48, 36)
    with Image.open(out) as picture:
        assert picture.size == (48, 36)


def test_python_api_returns_picture_losses_and_settings(pair: Pair) -> None:
    result = impasto.run(pair.content, pair.style, size=48, steps=3, loss=["gram:layers=conv1_1"])
    assert result.picture.size == (48, 36)
    assert len(result.losses) == 3
    assert result.losses[-1] < result.losses[0]
    assert result.settings.size == 48
