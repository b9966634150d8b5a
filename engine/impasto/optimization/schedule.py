"""Learning-rate schedules of ``torch.optim.lr_scheduler``, by torch's names and with torch's options.

A schedule is made anew for each stage, as the optimizer is, and goes on by one after each step.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.optim import lr_scheduler

from impasto.errors import SettingsError, unknown
from impasto.settings.options import check_options
from impasto.settings.spec import Spec

Schedule = lr_scheduler.LRScheduler

NEEDS_CODE = {
    "LRScheduler",
    "_LRScheduler",
    "LambdaLR",
    "MultiplicativeLR",
    "SequentialLR",
    "ChainedScheduler",
}
"""The base class, and schedules that are put together from functions or other schedules."""

LENGTHS = ("T_max", "total_iters", "total_steps")
"""Options that say how many steps a schedule goes over: the stage's, if nothing is given."""


RATES = {"lr", "initial_lr", "max_lr", "min_lr"}
"""Keys of an optimizer's groups that are rates, some of them put there by a schedule."""
BASES = {"base_lrs", "max_lrs"}
"""Attributes of schedules that are lists of rates."""


def schedule_names() -> list[str]:
    """The schedules that can be asked for."""
    return sorted(
        name
        for name, thing in vars(lr_scheduler).items()
        if inspect.isclass(thing) and issubclass(thing, Schedule) and name not in NEEDS_CODE
    )


def check_schedule(spec: Spec) -> dict[str, Any]:
    """The options of a schedule, checked and converted.

    Raises:
        SettingsError: an unknown schedule or option, or a value that does not fit.
    """
    if spec.name not in schedule_names():
        raise SettingsError(unknown("schedule", spec.name, schedule_names()))
    factory = _with_plain_signature(getattr(lr_scheduler, spec.name))
    return check_options(f"schedule '{spec.name}'", factory, 1, spec.options)


def make_schedule(spec: Spec, optimizer: torch.optim.Optimizer, steps: int) -> Schedule:
    """A schedule over the steps of one stage.

    Args:
        spec: its name and options.
        optimizer: each group of its parameters needs a rate under ``lr``.
        steps: of the stage.

    Raises:
        SettingsError: options that do not fit each other or the optimizer.
    """
    options = check_schedule(spec)
    made_by: Callable[..., Schedule] = getattr(lr_scheduler, spec.name)
    lengths = [name for name in inspect.signature(made_by).parameters if name in LENGTHS]
    # OneCycleLR takes its length from total_steps or from epochs.
    if lengths and "epochs" not in options:
        options = {lengths[0]: steps, **options}
    try:
        return made_by(optimizer, **options)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise SettingsError(f"schedule '{spec}': {error}") from error


def advance(schedule: Schedule, loss: torch.Tensor) -> None:
    """Go on by one step. Only a schedule that follows the loss waits for the device.

    Raises:
        SettingsError: options that torch takes and cannot compute with, as a length of 0.
    """
    try:
        if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
            schedule.step(float(loss))
        else:
            schedule.step()
    except (ArithmeticError, ValueError) as error:
        raise SettingsError(f"schedule '{type(schedule).__name__}': {error}") from error


def forget_losses(schedule: Schedule) -> None:
    """Have a schedule that follows the loss begin with the next one."""
    if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
        schedule.best, schedule.num_bad_epochs = schedule.mode_worse, 0


def slow_down(optimizer: torch.optim.Optimizer, schedule: Schedule | None) -> None:
    """Halve every rate of an optimizer, and those that its schedule computes them from."""
    for group in optimizer.param_groups:
        rates = [key for key in group if key in RATES]
        group.update({key: group[key] / 2 for key in rates})
    kept = {} if schedule is None else vars(schedule)
    for key in BASES & kept.keys():
        kept[key] = [rate / 2 for rate in kept[key]]


def schedule_state(values: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers, words and lists of numbers among a schedule's values: what changes as it goes on.

    torch's own ``state_dict`` of a schedule also has functions, which no file can hold; they are made
    anew from the settings.
    """
    kept = (bool, int, float, str, torch.Tensor, type(None))
    return {
        key: value
        for key, value in values.items()
        if isinstance(value, kept)
        or (isinstance(value, list) and all(isinstance(item, kept) for item in value))
    }


def _with_plain_signature(schedule: type[Schedule]) -> Callable[..., Schedule]:
    """The class with a signature of numbers and words: one rate for all groups, no functions."""
    signature = inspect.signature(schedule)
    # torch imports some of the names in its annotations for type checkers only.
    hints = typing.get_type_hints(schedule.__init__, localns=vars(collections.abc))
    parameters = []
    for parameter in signature.parameters.values():
        kind = _plain(hints[parameter.name])
        if parameter.name == "last_epoch" or (kind is None and parameter.name != "optimizer"):
            continue
        default = None if parameter.name in LENGTHS else parameter.default
        parameters.append(parameter.replace(annotation=kind, default=default))

    def factory(*given: Any, **options: Any) -> Schedule:
        return schedule(*given, **options)

    by_need = sorted(parameters, key=lambda one: one.default is not one.empty)
    factory.__signature__ = signature.replace(parameters=by_need)  # type: ignore[attr-defined]
    return factory


def _plain(annotation: Any) -> Any:
    parts = typing.get_args(annotation) or (annotation,)
    if typing.get_origin(annotation) is typing.Literal:
        return annotation
    if typing.get_origin(annotation) is collections.abc.Iterable:
        return types.GenericAlias(tuple, (parts[0], ...))
    return next((part for part in parts if part in (int, float, bool, str)), None)
