"""What the convolutions have to compute, by hand and by torch's own counter; and the machine's ceiling."""

from __future__ import annotations

import itertools
import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from impasto.builtin import build_host
from impasto.model.extractor import Extractor
from impasto.settings.spec import Spec
from impasto_profiling import ceiling
from impasto_profiling.convolutions import convolution_flops, convolutions_of


def selected(spec: str, *layers: str) -> Extractor:
    extractor: Extractor = build_host(load="none").make("extractor", Spec.parse(spec))
    extractor.select(layers)
    extractor.prepare(torch.device("cpu"), torch.float32)
    return extractor


def test_the_first_layers_of_vgg_by_hand() -> None:
    counted = convolution_flops(selected("random", "conv1_1", "conv2_1"), height=6, width=8)
    assert {layer: flops.forward for layer, flops in counted.items()} == {
        "conv1_1": 2 * 48 * 64 * 3 * 9,
        "conv1_2": 2 * 48 * 64 * 64 * 9,
        "conv2_1": 2 * 12 * 128 * 64 * 9,
    }


@pytest.mark.parametrize(
    ("spec", "layer"),
    [
        ("random:padding=reflect", "conv2_1"),
        ("torchvision:model=resnet18,weights=random", "layer2.0.relu"),
        # Grouped convolutions.
        ("torchvision:model=mobilenet_v2,weights=random", "features.2.conv.1"),
    ],
)
def test_as_many_as_torch_counts(spec: str, layer: str) -> None:
    # In a precision that torch has the operations of its own for, which its counter knows.
    extractor = selected(spec, layer).double()
    image = torch.rand(1, 3, 32, 48, dtype=torch.float64, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        extractor(image)[layer].sum().backward()
    counted = convolution_flops(extractor, 32, 48)
    assert sum(flops.both for flops in counted.values()) == counter.get_total_flops()


def test_layers_of_a_backbone_have_its_names() -> None:
    extractor = selected("torchvision:model=resnet18,weights=random", "layer1.0.relu")
    found = convolutions_of(extractor, 32, 48)
    assert [one.layer for one in found] == ["conv1", "layer1.0.conv1"]
    assert found[1].input == (1, 64, 8, 12)


def test_nothing_stays_on_the_extractor() -> None:
    extractor = selected("random", "conv1_2")
    convolutions_of(extractor, 16, 16)
    assert not any(module._forward_hooks for module in extractor.modules())


def test_the_rate_is_that_of_the_fastest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock by hand: of each size one product that does not count, then five.
    taken = [9.0, 1.0, 2.0, 3.0, 8.0, 9.0, *[9.0, 8.0, 4.0, 6.0, 6.0, 7.0]]
    ticks = itertools.chain.from_iterable((0.0, seconds * 1e-9) for seconds in taken)
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    monkeypatch.setitem(ceiling.SIZES, "cpu", (10, 20))
    rate = ceiling.matrix_rate(torch.float32, torch.device("cpu"))
    assert rate == pytest.approx(max(2 * 10**3 / 1, 2 * 20**3 / 4))


def test_no_larger_product_where_a_smaller_one_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.cycle([0.0, 2.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    monkeypatch.setitem(ceiling.SIZES, "cpu", (10, 20))
    rate = ceiling.matrix_rate(torch.bfloat16, torch.device("cpu"))
    assert rate == pytest.approx(10**3 / 1e9)
