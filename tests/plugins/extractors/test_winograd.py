"""Winograd's convolution against torch's own in float64, and where the extractors take it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

import impasto
from helpers import Invoke, Pair
from impasto_plugins.extractors.relu_convolution import ReLUConvolution
from impasto_plugins.extractors.winograd import (
    TILES_AT_ONCE,
    convolved,
    pays,
    transformed,
)

SIZES = [(1, 1), (3, 2), (4, 4), (5, 9), (13, 24), (31, 4 * TILES_AT_ONCE + 3)]
"""Below a tile, whole tiles, parts of tiles, and more tiles in a row than are done at once."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distance(made: Tensor, exact: Tensor) -> float:
    return float((made - exact).norm() / exact.norm())


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_values_and_gradients_are_those_in_float64(height: int, width: int) -> None:
    feature, kernel, bias = drawn(1, 5, height, width), drawn(7, 5, 3, 3, seed=1), drawn(7, seed=2)
    feature.requires_grad_()
    exact = conv2d(feature, kernel, bias, padding=1)
    towards = drawn(*exact.shape, seed=3)
    (gradient,) = torch.autograd.grad(exact, feature, towards)
    single = feature.detach().float().requires_grad_()
    made = convolved(single, transformed(kernel.float()), bias.float())
    assert distance(made.detach(), exact.detach()) < 2e-6
    (found,) = torch.autograd.grad(made, single, towards.float())
    assert distance(found, gradient) < 2e-6


@pytest.mark.parametrize(("height", "width"), [(9, 6), (8, 4)])
def test_it_is_laid_out_as_the_network_wants_it(height: int, width: int) -> None:
    weights = transformed(drawn(7, 5, 3, 3).float())
    output = convolved(drawn(1, 5, height, width).float(), weights, drawn(7).float())
    # Those of the first dimension, too: torch's pooling goes by them.
    assert (
        output.stride() == torch.empty(output.shape).to(memory_format=torch.channels_last).stride()
    )


@pytest.mark.parametrize(
    ("incoming", "outgoing", "precision", "wanted"),
    [
        (128, 128, torch.float32, True),
        (64, 128, torch.float32, False),
        (128, 64, torch.float32, False),
        (256, 256, torch.bfloat16, False),
    ],
)
def test_where_it_pays(incoming: int, outgoing: int, precision: torch.dtype, wanted: bool) -> None:
    kernel = torch.empty(outgoing, incoming, 3, 3, dtype=precision)
    assert pays(kernel) is wanted
    assert not pays(kernel.to("meta"))


@pytest.mark.parametrize(("channels", "taken"), [(128, True), (64, False)])
@pytest.mark.parametrize("padding", ["zeros", "replicate", "reflect", "circular"])
def test_a_layer_is_exact_whichever_way_it_takes(channels: int, taken: bool, padding: Any) -> None:
    kernel, bias = drawn(channels, channels, 3, 3) / 40, drawn(channels)
    layer = ReLUConvolution(channels, channels, padding)
    exact = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding).double()
    for one, precision in ((layer, torch.float32), (exact, torch.float64)):
        one.weight = nn.Parameter(kernel.to(precision), False)
        one.bias = nn.Parameter(bias.to(precision), False)
    feature, towards = drawn(1, channels, 5, 7), drawn(1, channels, 5, 7, seed=3)
    single = feature.float().to(memory_format=torch.channels_last).requires_grad_()
    feature.requires_grad_()
    made, wanted = layer(single), exact(feature).relu()
    assert distance(made.detach(), wanted.detach()) < 3e-6
    (found,) = torch.autograd.grad(made, single, towards.float())
    (gradient,) = torch.autograd.grad(wanted, feature, towards)
    assert distance(found, gradient) < 3e-6
    assert (layer.transformed is not None) is (taken and padding == "zeros")


def test_the_compiler_is_told_its_shapes_and_layout() -> None:
    feature = drawn(1, 5, 9, 6).float().to(memory_format=torch.channels_last)
    weights, bias = transformed(drawn(7, 5, 3, 3).float()), drawn(7).float()
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(
        torch.ops.impasto.winograd.default, (feature, weights, bias, False), test_utils=tests
    )


def test_in_bfloat16_a_layer_is_convolved_directly() -> None:
    """Its error is what rounding to eight bits leaves, a third of a percent; Winograd's would be over one."""
    layer = ReLUConvolution(128, 128)
    layer.weight = nn.Parameter((drawn(128, 128, 3, 3) / 40).bfloat16(), False)
    layer.bias = nn.Parameter(torch.zeros(128, dtype=torch.bfloat16), False)
    feature = drawn(1, 128, 8, 8).bfloat16()
    exact = conv2d(feature.double(), layer.weight.double(), padding=1).relu()
    assert distance(layer(feature).double(), exact) < 0.004
    assert layer.transformed is None


def test_a_nan_is_not_hidden() -> None:
    feature = torch.zeros(1, 3, 8, 8)
    feature[0, 0, 3, 3] = torch.nan
    made = convolved(feature, transformed(drawn(4, 3, 3, 3).float()), torch.zeros(4))
    assert made[0, :, 2:5, 2:5].isnan().all()


def test_the_loss_of_a_run_is_that_of_direct_convolution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the front door: the demo's pair through VGG-19, a few steps."""
    from impasto.plugin import DEMO_CONTENT, DEMO_STYLE

    def losses() -> list[float]:
        return impasto.run(
            DEMO_CONTENT, DEMO_STYLE, size=64, scales="single", steps=3, precision="float32"
        ).losses

    mine = losses()
    monkeypatch.setattr("impasto_plugins.extractors.relu_convolution.pays", lambda *given: False)
    assert mine == pytest.approx(losses(), rel=1e-3)


@pytest.mark.parametrize(
    ("layers", "precision", "wanted"),
    [
        ("conv4_2", "float32", "7 of 10 convolutions by Winograd"),
        ("conv2_1", "float32", "not compiled"),
        ("conv4_2", "bfloat16", "not compiled"),
    ],
)
def test_a_run_says_how_many_it_takes(
    invoke: Invoke, pair: Pair, tmp_path: Path, layers: str, precision: str, wanted: str
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--steps", 1, "--loss", f"gram:layers={layers}", "--precision", precision)  # fmt: skip
    assert done.status == 0, done.err
    (line,) = [line for line in done.err.splitlines() if "computing on" in line]
    assert line.endswith(wanted)


@pytest.mark.parametrize(
    "variables",
    [
        {"ATEN_CPU_CAPABILITY": "default"},
        {"ATEN_CPU_CAPABILITY": "nonsense", "ONEDNN_MAX_CPU_ISA": "nonsense"},
    ],
    ids=str,
)
def test_a_processor_that_is_limited_oddly_computes_the_same(variables: dict[str, str]) -> None:
    code = (
        "import torch; from impasto_plugins.extractors.winograd import convolved, transformed;"
        "torch.manual_seed(0); feature, kernel = torch.randn(1, 128, 9, 9), torch.randn(128, 128, 3, 3);"
        "exact = torch.nn.functional.conv2d(feature.double(), kernel.double(), padding=1);"
        "made = convolved(feature, transformed(kernel), torch.zeros(128));"
        "assert (made - exact).norm() < 3e-6 * exact.norm()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
