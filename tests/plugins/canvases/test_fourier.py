"""The canvas ``fourier``: an exact inverse, a scale that falls with frequency, runs by the front door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from helpers import SHALLOW, Invoke, Pair
from impasto_plugins.canvases.fourier import Fourier, amplitudes, color_matrix


@pytest.mark.parametrize("size", [(16, 20), (17, 20), (16, 21), (17, 33)])
@pytest.mark.parametrize("colors", ["rgb", "decorrelated"])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_first_picture_is_the_one_given(
    size: tuple[int, int], colors: str, power: float
) -> None:
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    canvas = Fourier(image, power=power, colors=colors)  # type: ignore[arg-type]
    torch.testing.assert_close(canvas(), image, rtol=0, atol=1e-5)
    assert all(parameter.is_contiguous() for parameter in canvas.parameters())


def test_the_scale_falls_as_a_power_of_frequency() -> None:
    scale = amplitudes(64, 64, 0.7)
    assert (scale[0, 4] / scale[0, 8]).item() == pytest.approx(2**0.7)
    assert (scale[4, 0] / scale[16, 0]).item() == pytest.approx(4**0.7)
    assert scale[0, 0] == scale[0, 1], "the mean color moves as the broadest wave"
    assert scale.square().mean().item() == pytest.approx(0.5)


def test_noise_in_the_coefficients_is_about_as_much_in_the_pixels() -> None:
    canvas = Fourier(torch.full((1, 3, 64, 64), 0.5), power=0.5)
    torch.manual_seed(0)
    with torch.no_grad():
        canvas.coefficients.add_(torch.randn_like(canvas.coefficients), alpha=0.01)
    assert canvas().std().item() == pytest.approx(0.01, rel=0.3)


def test_brightness_is_the_first_axis_and_colors_have_a_gain_of_one() -> None:
    matrix = color_matrix()
    torch.testing.assert_close(matrix[:, 0], matrix[0, 0].expand(3))
    assert matrix.square().sum(0).mean().item() == pytest.approx(1)
    across = matrix.T @ matrix
    torch.testing.assert_close(across, across.diag().diag(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("size", [48, 37])
def test_a_run_lowers_the_loss(
    invoke: Invoke, pair: Pair, tmp_path: Path, optimizer: str, size: int
) -> None:
    done = invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", size, "--steps",
        15, "--canvas", "fourier:power=0.7,colors=decorrelated", "--optimizer", optimizer,
        *SHALLOW, "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    loss = json.loads(done.out)["loss"]
    assert loss["last"] < 0.7 * loss["first"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("power=3", "option 'power': must be less than or equal to 2"),
        ("colors=rbg", "unknown value for option 'colors': 'rbg'; did you mean 'rgb'?"),
        ("exponent=1", "canvas 'fourier': unknown option 'exponent'"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    invoke: Invoke, pair: Pair, tmp_path: Path, options: str, complaint: str
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png",
                  "--canvas", f"fourier:{options}")  # fmt: skip
    assert done.status == 1
    assert complaint in done.error
