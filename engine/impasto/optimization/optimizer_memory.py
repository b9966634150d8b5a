"""What an optimizer keeps from step to step, which grows with the canvas."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.host.host import Host
from impasto.model.objective import Objective
from impasto.model.scopes import scope
from impasto.optimization.failures import failures_named
from impasto.optimization.making import made
from impasto.optimization.without_compiler import without_compiler
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec

SIDE = 16
"""Of the canvas on which an optimizer is tried, pixels."""
MOST_STEPS = 120
"""After which it is not tried any more, though what it keeps still grows."""


def kept_bytes(optimizer: torch.optim.Optimizer, numbers: int) -> int:
    """Bytes that an optimizer keeps, of what grows with the canvas.

    Args:
        optimizer: that has taken a few steps.
        numbers: of all parameters of the canvas.
    """
    found = [value for state in optimizer.state.values() for value in tensors_in([*state.values()])]
    return sum(one.numel() // numbers * numbers * one.element_size() for one in found)


def tensors_in(values: Sequence[object]) -> list[Tensor]:
    """Tensors, also those in lists, as torch's own L-BFGS keeps them."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list):
            found += tensors_in(value)
    return found


def kept_of_a_pixel(host: Host, settings: Settings, objective: Objective, optimizer: Spec) -> float:
    """Bytes that an optimizer keeps of a pixel, when it has taken steps enough: it is tried.

    Args:
        host: has the optimizer.
        settings: of the run, and
        objective: of the run, for errors.
        optimizer: the canvas on which it is tried has three colors of float32.

    Raises:
        PluginError: it failed.
    """
    canvas = torch.zeros(1, 3, SIDE, SIDE, requires_grad=True)
    # Conditioned so badly that the optimizer does not come to the end.
    curvature = torch.logspace(-3, 3, canvas.numel()).view_as(canvas)

    def closure() -> Tensor:
        canvas.grad = None
        loss = (curvature * (canvas - 0.5).square()).mean()
        torch.autograd.backward(loss)
        return loss

    with without_compiler(), failures_named(host, settings, objective):
        tried = made(host, "optimizer", optimizer, torch.optim.Optimizer, [canvas])
        before, kept = -1, 0
        for _ in range(MOST_STEPS):
            with scope(f"optimizer/{optimizer.name}"):
                tried.step(closure)  # type: ignore[arg-type]
            before, kept = kept, kept_bytes(tried, canvas.numel())
            if kept == before:
                break
    return kept / SIDE**2
