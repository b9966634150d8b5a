"""Pictures are read band by band: the same as at once, from little memory."""

from __future__ import annotations

import logging
import tracemalloc
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from helpers import drawn
from impasto.images import samples
from impasto.images.icc import power_profile
from impasto.images.reading import open_picture
from impasto.images.samples import ORIENTATION

WIDE = power_profile("rgb", 2.2, (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06))
GRAY = power_profile("gray", 1.8)


def written(path: Path, mode: str, profile: bytes | None, turned: int = 1) -> Path:
    picture = drawn(50, 37, 3).convert("RGB").convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    exif = Image.Exif()
    exif[ORIENTATION] = turned
    picture.save(path, exif=exif, icc_profile=profile)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "profile", "turned"),
    [
        ("a.png", "RGB", None, 1),
        ("a.jpg", "RGB", WIDE, 6),
        ("a.png", "RGBA", WIDE, 1),
        ("a.tif", "L", GRAY, 1),
        # One that RGB is meant by.
        ("a.tif", "L", WIDE, 3),
        ("a.jpg", "CMYK", None, 8),
        ("a.tif", "LAB", None, 1),
    ],
)
def test_bands_of_any_height_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, mode: str, profile: bytes | None, turned: int,
) -> None:  # fmt: skip
    file = written(tmp_path / name, mode, profile, turned)
    found = []
    for rows in (10_000, 7, 1):
        monkeypatch.setattr(samples, "ROWS", rows)
        found.append(open_picture(file))
    assert found[0].size == ((50, 37) if turned in (1, 3) else (37, 50))
    for photo in found[1:]:
        assert torch.equal(photo.image, found[0].image)
        assert (photo.alpha is None) == (found[0].alpha is None)


def test_a_profile_that_is_not_used_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(samples, "ROWS", 7)
    file = written(tmp_path / "a.png", "RGB", GRAY)
    with caplog.at_level(logging.WARNING, "impasto"):
        open_picture(file)
    assert caplog.text.count("is not used") == 1


def test_reading_takes_little_more_than_the_picture(tmp_path: Path) -> None:
    """Counted are NumPy's arrays: levels and colors in float32, of which a band is converted."""
    levels = numpy.random.default_rng(1).integers(0, 256, (1500, 400, 3), dtype=numpy.uint8)
    file = tmp_path / "a.png"
    Image.fromarray(levels).save(file, compress_level=0, icc_profile=WIDE)
    open_picture(file)
    tracemalloc.start()
    try:
        open_picture(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The file, its chunks, the levels, and float32 of them; at once, conversion took three more of these.
    assert peak < 34 * levels.shape[0] * levels.shape[1]
