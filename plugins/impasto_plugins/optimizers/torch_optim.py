"""Every optimizer of ``torch.optim`` by its name: ``--optimizer torch.RMSprop:lr=0.01``.

Options and defaults are torch's own, read from its signatures.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

import impasto
from impasto.plugin import fuses_optimizer

NEEDS_MORE = {"Optimizer", "SparseAdam", "Muon"}
"""The base class, and optimizers that do not take dense pictures."""

FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
"""Those that may take one kernel a step on CUDA; the others take torch's default there, one for each
operation on all parameters."""

Simple = bool, int, float


def offer(optimizer: type[torch.optim.Optimizer]) -> impasto.Offer:
    """An offer whose factory has the options of the class that are numbers, or pairs of numbers."""

    def factory(parameters: list[Tensor], **options: Any) -> torch.optim.Optimizer:
        if optimizer in FUSED and not options.get("differentiable") and fuses_optimizer(parameters):
            options["fused"] = True
        return optimizer(parameters, **options)

    given = inspect.Parameter("parameters", inspect.Parameter.POSITIONAL_ONLY)
    factory.__signature__ = inspect.Signature([given, *_options(optimizer)])  # type: ignore[attr-defined]
    name = optimizer.__name__
    return impasto.Offer(f"torch.{name}", factory, f"torch.optim.{name}, as torch has it")


def _options(optimizer: Callable[..., object]) -> list[inspect.Parameter]:
    parameters = []
    for parameter in inspect.signature(optimizer).parameters.values():
        kind = _type_of(parameter.default)
        if kind is not None:
            parameters.append(
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=kind)
            )
    return parameters


def _type_of(default: object) -> Any:
    if isinstance(default, Simple):
        # torch writes whole numbers for some defaults that may be any number (weight_decay=0).
        return int | float if type(default) is int else type(default)
    if isinstance(default, tuple) and all(isinstance(item, Simple) for item in default):
        return tuple[(float,) * len(default)]  # type: ignore[misc]
    return None


@functools.cache
def offers() -> list[impasto.Offer]:
    """One for each class of ``torch.optim`` that can paint; the same factories for each host."""
    classes = [thing for thing in vars(torch.optim).values() if inspect.isclass(thing)]
    return [
        offer(one)
        for one in classes
        if issubclass(one, torch.optim.Optimizer) and one.__name__ not in NEEDS_MORE
    ]


@impasto.hookimpl
def impasto_optimizers() -> Iterable[impasto.Offer]:
    return offers()
