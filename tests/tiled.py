"""What tests of pictures in tiles have in common: losses that sum over pixels, objectives in float64."""

from __future__ import annotations

import torch
from torch import Tensor

import impasto
from impasto.model.objective import Objective
from impasto_plugins.losses.content import ContentLoss
from impasto_plugins.losses.gram import GramLoss
from impasto_plugins.losses.laplacian import LaplacianLoss
from impasto_plugins.losses.moments import MomentsLoss
from impasto_plugins.losses.tv import TotalVariation
from impasto_plugins.losses.wasserstein import WassersteinLoss

SMALL_LAYERS = {
    "style": ("conv1_1", "conv2_1", "conv3_1"),
    "content": ("conv1_2", "pool2", "conv3_2"),
}


def picture(seed: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, dtype=torch.float64, generator=generator)


def all_losses() -> list[impasto.Loss]:
    style = SMALL_LAYERS["style"]
    return [
        ContentLoss(4, SMALL_LAYERS["content"]),
        ContentLoss(1, ("conv2_2",), normalization="paper"),
        GramLoss(layers=style),
        MomentsLoss(layers=style),
        WassersteinLoss(layers=("conv1_1",)),
        LaplacianLoss(20),
        TotalVariation(10),
    ]


def objective(extractor: impasto.Extractor, losses: list[impasto.Loss]) -> Objective:
    made = Objective(extractor, losses)
    extractor.prepare(torch.device("cpu"), torch.float64)
    return made.double()


def value_and_gradient(made: Objective, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    image = image.clone().requires_grad_()
    total, terms = made(image)
    total.backward()
    assert image.grad is not None
    return total.detach(), terms.detach(), image.grad
