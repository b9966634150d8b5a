"""Pictures in memory: arrays and tensors are the pictures they say, and others are refused."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import torch
from PIL import Image

import impasto
import impasto.testing

PICTURE, STYLE = impasto.testing.pictures(32, 24)
LEVELS = numpy.asarray(PICTURE)
OF_ARRAYS = (
    "wanted is (H, W, 3) in RGB, uint8 or float in [0, 1]; or (H, W), or (H, W, 4) with alpha"
)
OF_TENSORS = (
    "wanted is (3, H, W) or (1, 3, H, W) in RGB, uint8 or float in [0, 1]; or 1 or 4 channels"
)
FLOATS = LEVELS.astype(numpy.float32) / 255
CHANNELS_FIRST = torch.from_numpy(FLOATS.copy()).permute(2, 0, 1)


def painted(content: Any, style: Any = STYLE, **more: Any) -> impasto.Result:
    settings = {
        "size": 32,
        "steps": 2,
        "extractor": impasto.testing.TinyExtractor(),
        "load": "none",
    }
    return impasto.run(content, style, **{**settings, **more})


@pytest.fixture(scope="module")
def wanted() -> impasto.Result:
    return painted(PICTURE)


@pytest.mark.parametrize(
    "given",
    [
        LEVELS, FLOATS, FLOATS.astype(numpy.float64), FLOATS.astype(">f4"), LEVELS[::-1][::-1],
        CHANNELS_FIRST, CHANNELS_FIRST[None], CHANNELS_FIRST.double().requires_grad_(),
        (CHANNELS_FIRST * 255).round().to(torch.uint8),
        numpy.concatenate([FLOATS, numpy.ones_like(FLOATS[..., :1])], 2), FLOATS * 1.00005,
    ],
    ids=["uint8", "float32", "float64", "bytes reversed", "a view", "tensor", "with batch",
         "with gradient", "tensor of uint8", "opaque alpha", "rounded"],
)  # fmt: skip
def test_arrays_and_tensors_are_the_pictures_they_say(given: Any, wanted: impasto.Result) -> None:
    result = painted(given)
    assert result.image.shape == (1, 3, 24, 32)
    assert torch.allclose(result.image, wanted.image, atol=1e-3)
    assert result.settings.content == "(a picture in memory)"


def test_styles_too_beside_files_and_pictures(wanted: impasto.Result) -> None:
    style = numpy.asarray(STYLE)
    assert torch.equal(painted(LEVELS, style).image, wanted.image)
    assert torch.allclose(painted(PICTURE, [style, STYLE]).image, wanted.image, atol=1e-3)


def test_gray_is_gray_and_alpha_is_kept() -> None:
    gray = LEVELS[..., 0]
    as_picture = painted(Image.fromarray(gray))
    for given in (gray, gray[..., None], torch.from_numpy(gray.copy())[None]):
        assert torch.allclose(painted(given).image, as_picture.image, atol=1e-3)
    alpha = numpy.full_like(LEVELS[..., :1], 255)
    alpha[:12] = 0
    with_alpha = numpy.concatenate([LEVELS, alpha], 2)
    result, of_picture = painted(with_alpha), painted(Image.fromarray(with_alpha, "RGBA"))
    assert result.picture.mode == "RGBA"
    assert torch.allclose(result.image, of_picture.image, atol=1e-3)


def test_the_array_is_left_as_it_is() -> None:
    given = FLOATS.copy()
    painted(given)
    assert (given == FLOATS).all()


def test_features_of_an_array() -> None:
    network = impasto.testing.TinyExtractor()
    of_array, of_picture = (
        impasto.features(one, ["conv1_1"], network)["conv1_1"] for one in (LEVELS, PICTURE)
    )
    assert torch.allclose(of_array, of_picture, atol=1e-5)


NAN = FLOATS.copy()
NAN[3, 4, 1] = numpy.nan
REFUSED: list[tuple[Any, str]] = [
    (FLOATS * 200, f"array of float32 with values from 0 to 200; {OF_ARRAYS}: divide by 255"),
    (FLOATS * 2 - 1, f"array of float32 with values from -1 to 1; {OF_ARRAYS}"),
    (NAN, f"array of float32 with NaN or infinite values; {OF_ARRAYS}"),
    (LEVELS.astype(int), f"array of int64; {OF_ARRAYS}"),
    (LEVELS.astype(numpy.uint16), f"array of uint16; {OF_ARRAYS}"),
    (LEVELS > 9, f"array of bool; {OF_ARRAYS}"),
    (LEVELS.astype(complex), f"array of complex128; {OF_ARRAYS}"),
    (LEVELS.astype(object), f"array of object; {OF_ARRAYS}"),
    (LEVELS.transpose(2, 0, 1), f"array of shape (3, 24, 32); {OF_ARRAYS}: transpose(1, 2, 0)"),
    (LEVELS[..., :2], f"array of shape (24, 32, 2); {OF_ARRAYS}"),
    (LEVELS[None], f"array of shape (1, 24, 32, 3); {OF_ARRAYS}"),
    (LEVELS[0, 0], f"array of shape (3,); {OF_ARRAYS}"),
    (torch.from_numpy(FLOATS.copy()), f"tensor of shape (24, 32, 3); {OF_TENSORS}: permute(2, 0, 1)"),
    (torch.rand(2, 3, 24, 32), f"tensor of shape (2, 3, 24, 32); {OF_TENSORS}: take the pictures of a batch"
     " one by one"),
    (torch.rand(24, 32), f"tensor of shape (24, 32); {OF_TENSORS}"),
    (torch.ones(3, 24, 32).long(), f"tensor of torch.int64; {OF_TENSORS}"),
    (torch.full((3, 24, 32), torch.inf), f"tensor of torch.float32 with NaN or infinite values;"
     f" {OF_TENSORS}"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), REFUSED)
@pytest.mark.parametrize("as_style", [False, True])
def test_what_is_no_picture_is_one_clear_line(given: Any, said: str, as_style: bool) -> None:
    seen: list[impasto.Step] = []
    pair = (PICTURE, given) if as_style else (given, STYLE)
    with pytest.raises(impasto.PictureError) as caught:
        painted(*pair, callback=seen.append)
    article = "a" if said.startswith("tensor") else "an"
    assert str(caught.value) == f"the {'style' if as_style else 'content'} is {article} {said}"
    assert seen == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (numpy.zeros((0, 5, 3)), "the content is 5 × 0 pixels; each side needs at least 16"),
        (torch.rand(3, 8, 32), "the content is 32 × 8 pixels; each side needs at least 16"),
        (numpy.zeros((24, 32, 4)), "the content is transparent all over"),
        (
            7,
            "the content is int; wanted is a file, a picture of Pillow, an array of NumPy or a tensor",
        ),
    ],
)
def test_pictures_that_are_too_small_or_none(given: Any, said: str) -> None:
    with pytest.raises(impasto.PictureError) as caught:
        painted(given)
    assert str(caught.value) == said
