"""The presets of the paper and the notebook, step for step against plain loops written out here.

The loops use torchvision's network and torch's optimizers directly; both sides get the same random
weights, from a file in torchvision's form.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor

import impasto
from helpers import Invoke, Pair
from impasto.settings.settings import gather

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
POSITIONS = {"conv1_1": 0, "conv2_1": 5, "conv3_1": 10, "conv4_1": 19, "conv4_2": 21, "conv5_1": 28}
STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
SIZE, STEPS = 48, 6


def read(path: Path) -> Tensor:
    with Image.open(path) as opened:
        image = pil_to_tensor(opened.convert("RGB")).unsqueeze(0) / 255
    size = (36, SIZE)
    resized = nn.functional.interpolate(image, size, mode="bicubic", antialias=True)
    return resized.clamp(0, 1)


def run_network(network: nn.Sequential, normalized: Tensor) -> dict[str, Tensor]:
    features, feature = {}, normalized
    names = {position: name for name, position in POSITIONS.items()}
    for position, layer in enumerate(network):
        feature = layer(feature)
        if position in names:
            # The ReLU that follows works in place, so this is what a notebook gets as well.
            features[names[position]] = feature.relu()
    return features


def test_notebook_preset_equals_a_plain_loop(
    network: nn.Sequential, weights: Path, pair: Pair
) -> None:
    content, style = ((read(path) - MEAN) / DEVIATION for path in (pair.content, pair.style))
    wanted = run_network(network, content)["conv4_2"]
    grams = {name: gram(feature) for name, feature in run_network(network, style).items()}
    target = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([target], lr=0.003)
    losses = []
    for _ in range(STEPS):
        features = run_network(network, target)
        content_loss = torch.mean((features["conv4_2"] - wanted) ** 2)
        style_loss = torch.zeros(())
        for name, weight in zip(STYLE, (1, 0.75, 0.2, 0.2, 0.2), strict=True):
            _, d, h, w = features[name].shape
            layer_loss = weight * torch.mean((gram(features[name]) - grams[name]) ** 2)
            style_loss = style_loss + layer_loss / (d * h * w)
        total = 1 * content_loss + 1e6 * style_loss
        optimizer.zero_grad()
        torch.autograd.backward(total)
        optimizer.step()
        losses.append(total.item())

    result = impasto.run(
        pair.content, pair.style, preset="notebook", size=SIZE, side="longer", steps=STEPS,
        extractor=f"vgg19:weights={weights},scale=false",
    )  # fmt: skip
    assert result.losses == pytest.approx(losses, rel=1e-4)
    painted = (target.detach() * DEVIATION + MEAN).clamp(0, 1)
    torch.testing.assert_close(result.image, painted, rtol=0, atol=1e-4)


def test_gatys_preset_equals_a_plain_loop(
    network: nn.Sequential, weights: Path, pair: Pair
) -> None:
    averaged = nn.Sequential(
        *(nn.AvgPool2d(2) if isinstance(layer, nn.MaxPool2d) else layer for layer in network)
    )
    content, style = (read(path) for path in (pair.content, pair.style))
    wanted = run_network(averaged, (content - MEAN) / DEVIATION)["conv4_2"]
    of_style = run_network(averaged, (style - MEAN) / DEVIATION)
    grams = {name: gram(feature) for name, feature in of_style.items()}
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(1, 3, 36, SIZE, generator=generator).mul(0.1).add(0.5).clamp(0, 1)
    target.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [target], lr=1, max_iter=1, history_size=100, tolerance_grad=0, tolerance_change=0
    )
    losses = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        features = run_network(averaged, (target - MEAN) / DEVIATION)
        content_loss = 0.5 * torch.sum((features["conv4_2"] - wanted) ** 2)
        style_loss = torch.zeros(())
        for name in STYLE:
            _, n, h, w = features[name].shape
            error = torch.sum((gram(features[name]) - grams[name]) ** 2)
            style_loss = style_loss + 0.2 * error / (4 * n**2 * (h * w) ** 2)
        total = 1e-3 * content_loss + 3e3 * style_loss
        torch.autograd.backward(total)
        losses.append(total.item())
        return total

    for _ in range(STEPS):
        optimizer.step(closure)  # type: ignore[no-untyped-call]

    result = impasto.run(
        pair.content, pair.style, preset="gatys2016", size=SIZE, steps=STEPS, precision="float32",
        extractor=f"vgg19:weights={weights},pooling=average,scale=false",
    )  # fmt: skip
    assert result.losses == pytest.approx(losses, rel=1e-4)
    torch.testing.assert_close(result.image, target.detach().clamp(0, 1), rtol=0, atol=1e-3)


def gram(feature: Tensor) -> Tensor:
    flat = feature.view(feature.shape[1], -1)
    return flat @ flat.t()


def test_every_preset_is_listed_and_can_be_read(invoke: Invoke) -> None:
    listed = invoke("presets")
    assert listed.status == 0
    for name in ("default", "gatys2016", "notebook", "quick"):
        assert f"{name}: " in listed.out
        assert gather({"content": "a", "style": "b"}, name, None).content == "a"


def test_an_unknown_preset_is_refused_with_the_nearest(invoke: Invoke, pair: Pair) -> None:
    done = invoke("run", pair.content, pair.style, "--preset", "gatys")
    assert done.status == 1
    assert done.error.startswith(
        "impasto: error: unknown preset 'gatys'; did you mean 'gatys2016'?"
    )
