"""L-BFGS, the optimizer of Gatys et al. 2016: few, well-aimed steps from the curvature of past ones.

Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

import impasto


def lbfgs(
    parameters: list[Tensor],
    rate: Annotated[float, Field(gt=0, description="length of a step")] = 1.0,
    history: Annotated[int, Field(ge=1, description="pairs of steps that are remembered")] = 20,
    line_search: Annotated[bool, Field(description="strong Wolfe line search")] = False,
) -> torch.optim.Optimizer:
    """L-BFGS; each step is one evaluation, unless a line search takes more."""
    return torch.optim.LBFGS(
        parameters,
        lr=rate,
        max_iter=1,
        max_eval=25 if line_search else 1,
        history_size=history,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe" if line_search else None,
    )


@impasto.hookimpl
def impasto_optimizers() -> Iterable[impasto.Offer]:
    return [impasto.Offer("lbfgs", lbfgs)]
