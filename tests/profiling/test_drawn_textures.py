"""The drawn textures: the same each time, filled, and each of its own colors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image

from impasto_profiling import drawn_textures


@pytest.mark.parametrize("name", list(drawn_textures.DRAWN))
def test_a_texture_is_drawn_the_same_each_time(name: str) -> None:
    first, again = (numpy.asarray(drawn_textures.draw(name, 64)) for _ in range(2))
    assert first.shape == (64, 64, 3)
    assert (first == again).all()
    assert first.std((0, 1)).min() > 10


def test_colors_are_those_of_the_materials() -> None:
    means = {
        name: numpy.asarray(drawn_textures.draw(name, 64)).mean((0, 1))
        for name in drawn_textures.DRAWN
    }
    assert {name: int(mean.argmax()) for name, mean in means.items() if name != "stone"} == {
        "brick": 0, "foliage": 1, "fabric": 2,
    }  # fmt: skip
    assert numpy.ptp(means["stone"]) < 20


def test_the_command_draws_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["drawn_textures", str(tmp_path / "new"), "--size", "32"])
    drawn_textures.main()
    assert {path.stem for path in (tmp_path / "new").iterdir()} == set(drawn_textures.DRAWN)
    with Image.open(tmp_path / "new" / "brick.png") as picture:
        assert picture.size == (32, 32)
