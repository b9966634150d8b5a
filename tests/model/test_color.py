"""Colors: what each way of keeping the content's keeps, in numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import impasto
from helpers import Draw, Invoke, Pair
from impasto.images.tensors import open_picture, to_tensor
from impasto.model.color import (
    Colors,
    gray,
    luminance,
    recolored,
    statistics,
    with_luminance,
    with_smooth_chroma,
)

LOSSES = ["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1,weight=10"]

TO_YIQ = torch.tensor(
    [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], dtype=torch.float64
)
"""NTSC's luminance and the two axes of chroma."""


def yiq(image: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", TO_YIQ, image.double())[0]


def painted(pair: Pair, colors: str, **given: object) -> Tensor:
    given = {"size": 64, "scales": "single", "steps": 6, "loss": LOSSES, **given}
    return impasto.run(pair.content, pair.style, colors=colors, **given).image  # type: ignore[arg-type]


def loaded(pair: Pair) -> tuple[Tensor, Tensor]:
    return to_tensor(open_picture(pair.content)), to_tensor(open_picture(pair.style))


@pytest.mark.parametrize("more", [{}, {"canvas": "fourier"}, {"ema": 0.5, "optimizer": "adam"}])
def test_luminance_mode_keeps_the_chroma(pair: Pair, more: dict[str, object]) -> None:
    content = yiq(loaded(pair)[0])
    kept, free = yiq(painted(pair, "luminance", **more)), yiq(painted(pair, "style", **more))
    assert (kept[1:] - content[1:]).abs().max() < 1e-5
    assert (free[1:] - content[1:]).abs().mean() > 0.01
    assert (kept[0] - content[0]).abs().mean() > 0.01, "the luminance is painted"


def test_chroma_is_kept_where_the_luminance_asked_for_is_out_of_range() -> None:
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for wanted in (-1.0, 2.0):
        moved = with_luminance(image, torch.full((1, 1, 8, 8), wanted))
        assert 0 <= moved.min() <= moved.max() <= 1
        torch.testing.assert_close(yiq(moved)[1:], yiq(image)[1:], rtol=0, atol=1e-6)


def test_matching_gives_the_contents_mean_and_covariance() -> None:
    # Colors that are far from black and white, so that nothing is clipped.
    generator = torch.Generator().manual_seed(1)
    content = torch.rand(1, 3, 20, 30, generator=generator) * 0.2 + 0.4
    mixing = torch.tensor([[1.0, 0.5, 0.0], [0.2, 0.4, 0.1], [0.0, 0.3, 0.6]])
    style = torch.einsum("ij,bjhw->bihw", mixing, torch.rand(1, 3, 25, 15, generator=generator))
    moved = recolored(style / 2, content, "match")
    for made, wanted in zip(statistics(moved), statistics(content), strict=True):
        torch.testing.assert_close(made, wanted, rtol=1e-3, atol=1e-5)
    assert (moved - content.mean()).abs().max() < 0.4


def test_histograms_are_the_contents(pair: Pair) -> None:
    content, style = loaded(pair)
    moved = recolored(style, content, "histogram")
    for channel in range(3):
        for rank in (0.05, 0.3, 0.5, 0.9):
            made = moved[0, channel].quantile(rank)
            assert made == pytest.approx(content[0, channel].quantile(rank).item(), abs=0.01)
        # Brighter stays brighter.
        order = style[0, channel].flatten().argsort(stable=True)
        assert (moved[0, channel].flatten()[order].diff() >= 0).all()


def test_a_gray_painting_is_not_blown_up_to_colors(pair: Pair) -> None:
    content, style = loaded(pair)
    noise = torch.randn(style.shape, generator=torch.Generator().manual_seed(0)) * 0.002
    gray = style.mean(1, keepdim=True).expand(-1, 3, -1, -1) * 0.5 + 0.25 + noise
    moved = yiq(recolored(gray, content, "match"))
    # Grain of 0.002 grows twentyfold at most; without the floor it would be the content's deviation.
    assert moved[1:].std() < 0.5 * yiq(content)[1:].std()


@pytest.mark.parametrize("colors", ["match", "histogram"])
def test_recolored_styles_give_a_result_nearer_to_the_contents_colors(
    pair: Pair, colors: str
) -> None:
    # A red painting: with its colors the result turns red, recolored it does not.
    with Image.open(pair.style) as picture:
        Image.blend(picture, Image.new("RGB", picture.size, "red"), 0.7).save(pair.style)
    content = loaded(pair)[0].mean((2, 3))
    losses = ["gram:layers=conv1_1,conv2_1"]
    free = painted(pair, "style", loss=losses, steps=20).mean((2, 3)) - content
    kept = painted(pair, colors, loss=losses, steps=20).mean((2, 3)) - content
    assert kept.norm() < 0.3 * free.norm()


def test_the_start_from_the_style_is_recolored_too(pair: Pair) -> None:
    content, style = loaded(pair)
    start = painted(pair, "histogram", init="style", loss="tv:weight=0", size=64)
    assert (start.mean((2, 3)) - content.mean((2, 3))).abs().max() < 0.01
    assert (start.mean((2, 3)) - style.mean((2, 3))).abs().max() > 0.02


def test_an_unknown_way_is_refused(invoke: Invoke, pair: Pair) -> None:
    done = invoke("run", pair.content, pair.style, "--colors", "luminence")
    assert done.status == 1
    assert "did you mean 'luminance'? Allowed: histogram, luminance, match, style" in done.error


@pytest.mark.parametrize("colors", ["luminance", "match", "histogram"])
def test_what_is_transparent_does_not_count(colors: Colors) -> None:
    generator = torch.Generator().manual_seed(0)
    style, content = torch.rand(2, 1, 3, 24, 32, generator=generator).mul(0.5).add(0.2)
    style[..., 16:], content[..., 16:] = 1, 0
    alpha = torch.zeros(1, 1, 24, 32)
    alpha[..., :16] = 1
    seen = recolored(style, content, colors, alpha, alpha)[..., :16]
    assert torch.allclose(seen, recolored(style[..., :16], content[..., :16], colors), atol=1e-5)


def test_smooth_colors_keep_light_and_edges_and_take_off_specks(draw: Draw) -> None:
    light = torch.full((1, 1, 40, 60), 0.3, dtype=torch.float64)
    light[..., 30:] = 0.7
    chroma = torch.tensor([0.1, -0.05, 0.0], dtype=torch.float64).view(1, 3, 1, 1)
    chroma = chroma - luminance(chroma)
    clean = light + torch.where(light > 0.5, chroma, -chroma)
    specks = 0.1 * draw.normal(1, 3, 40, 60)
    noisy = clean + specks - luminance(specks)
    smooth = with_smooth_chroma(noisy, 6)
    torch.testing.assert_close(luminance(smooth), light, rtol=0, atol=1e-6)
    assert (smooth - clean).square().mean() < 0.05 * (noisy - clean).square().mean()
    torch.testing.assert_close(with_smooth_chroma(clean, 6), clean, rtol=0, atol=0.02)
    assert torch.equal(with_smooth_chroma(noisy, 0), noisy)


def test_smooth_colors_of_a_torus_do_not_see_its_border(draw: Draw) -> None:
    image = draw.uniform(1, 3, 12, 16)
    rolled = with_smooth_chroma(image.roll((5, 7), (2, 3)), 2, (2, 3))
    wanted = with_smooth_chroma(image, 2, (2, 3)).roll((5, 7), (2, 3))
    torch.testing.assert_close(rolled, wanted)


def test_a_run_with_smooth_colors_has_the_same_light(pair: Pair) -> None:
    given: dict[str, Any] = {"size": 48, "steps": 3, "loss": ["gram:layers=conv1_1"]}
    plain, smooth = (
        impasto.run(pair.content, pair.style, smooth_colors=radius, **given) for radius in (0, 8)
    )
    assert plain.losses == smooth.losses
    torch.testing.assert_close(gray(plain.image), gray(smooth.image), rtol=0, atol=0.05)
    assert not torch.equal(plain.image, smooth.image)
