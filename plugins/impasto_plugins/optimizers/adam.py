"""Adam, with a learning rate that suits pixels in [0, 1].

Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

import impasto
from impasto.plugin import fuses_optimizer

Beta = Annotated[float, Field(ge=0, lt=1)]


def adam(
    parameters: list[Tensor],
    lr: Annotated[float, Field(gt=0, description="largest change of a pixel in a step")] = 0.02,
    betas: Annotated[
        tuple[Beta, Beta], Field(description="decay of the gradient's mean and of its square")
    ] = (0.9, 0.99),
) -> torch.optim.Optimizer:
    """Adam; each step is one evaluation."""
    fused = fuses_optimizer(parameters) or None
    return torch.optim.Adam(parameters, lr=lr, betas=betas, fused=fused)


@impasto.hookimpl
def impasto_optimizers() -> Iterable[impasto.Offer]:
    return [impasto.Offer("adam", adam)]
