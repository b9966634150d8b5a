"""The canvas ``laplacian``: an exact inverse at any size, broad changes, runs by the front door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers import SHALLOW, Draw, Invoke, Pair, refused
from impasto_plugins.canvases.laplacian import Laplacian, enlarged, halved

SIZES = [(1, 1), (1, 7), (2, 3), (16, 20), (17, 33), (64, 65)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("levels", [1, 2, 5, 16])
def test_the_first_picture_is_the_one_given(size: tuple[int, int], levels: int, draw: Draw) -> None:
    image = draw.uniform(1, 3, *size)
    torch.testing.assert_close(Laplacian(image, levels)(), image, rtol=0, atol=1e-14)
    single = Laplacian(image.float(), levels)
    torch.testing.assert_close(single(), image.float(), rtol=0, atol=3e-7)
    assert all(parameter.is_contiguous() for parameter in single.parameters())


def test_levels_halve_down_to_one_pixel() -> None:
    sizes = [tuple(level.shape[2:]) for level in Laplacian(torch.rand(1, 3, 17, 33), 16).levels]
    assert sizes == [(17, 33), (9, 17), (5, 9), (3, 5), (2, 3), (1, 2), (1, 1)]


def test_a_straight_ramp_is_halved_and_enlarged_without_a_change_but_at_its_ends(
    draw: Draw,
) -> None:
    ramp = (torch.arange(16.0) + 2 * torch.arange(12.0)[:, None]).expand(1, 3, 12, 16)
    torch.testing.assert_close(enlarged(halved(ramp), ramp)[..., 1:-1, 1:-1], ramp[..., 1:-1, 1:-1])
    even = torch.full((1, 3, 7, 5), 0.3)
    torch.testing.assert_close(enlarged(halved(even), even), even)


def test_gradient_by_finite_differences(draw: Draw) -> None:
    canvas = Laplacian(draw.uniform(1, 3, 9, 6), 3)
    wanted = draw.uniform(1, 3, 9, 6)

    def loss(*levels: torch.Tensor) -> torch.Tensor:
        named = {f"levels.{number}": level for number, level in enumerate(levels)}
        made: torch.Tensor = torch.func.functional_call(canvas, named, ())
        return (made - wanted).square().sum()

    levels = [level.detach().requires_grad_() for level in canvas.levels]
    assert torch.autograd.gradcheck(loss, levels)


def test_one_number_of_the_coarsest_level_moves_a_wide_spot() -> None:
    canvas = Laplacian(torch.zeros(1, 3, 64, 64), 5)
    with torch.no_grad():
        canvas.levels[-1][0, 0, 2, 1] = 1
    moved = canvas()[0, 0].detach()
    assert moved.sum().item() == pytest.approx(16 * 16)
    assert moved[32:48, 16:32].mean() > 0.4 > 0.05 > moved[:16].mean()


@pytest.mark.parametrize(
    ("optimizer", "more"),
    [
        ("torch.RMSprop:lr=0.01", ()),
        ("lbfgs", ()),
        ("adam", ("--seamless", "both")),
        ("lbfgs", ("--colors", "luminance")),
        ("adam", ("--tile", "64", "--scales", "single", "--size", "150")),
    ],
)
def test_a_run_of_two_stages_lowers_the_loss(
    invoke: Invoke, pair: Pair, tmp_path: Path, optimizer: str, more: tuple[str, ...]
) -> None:
    done = invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 37, "--steps", 12,
        "--scales", "17,25", "--canvas", "laplacian:levels=6", "--optimizer", optimizer, *SHALLOW,
        *more, "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    loss = json.loads(done.out)["loss"]
    assert loss["last"] < 0.8 * loss["first"]


def test_masks_are_painted_where_they_are_white(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.linear_gradient("L").rotate(90).resize((64, 48)).point(
        lambda value: 255 * (value > 127)
    ).save(mask)
    done = invoke(
        "run", pair.content, f"{pair.style}:content_mask={mask}", "-o", tmp_path / "out.png",
        "--size", 48, "--steps", 15, "--canvas", "laplacian:levels=3", "--loss",
        "gram:layers=conv1_1,weight=10",
    )  # fmt: skip
    assert done.status == 0, done.err
    with Image.open(tmp_path / "out.png") as out, Image.open(pair.content) as content:
        size = out.size
        pictures = [
            torch.tensor(list(one.convert("RGB").resize(size).tobytes()), dtype=torch.float32)
            for one in (out, content)
        ]
    with Image.open(mask) as opened:
        white = torch.tensor(list(opened.resize(size).tobytes())) > 127
    moved = (pictures[0] - pictures[1]).abs().view(-1, 3).mean(1)
    assert moved[white].mean() > 2 * moved[~white].mean()


def test_a_wrong_number_of_levels_is_refused(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png",
                  "--canvas", "laplacian:levels=0")  # fmt: skip
    assert "option 'levels': must be greater than or equal to 1" in refused(done)
