"""Optimizers and shapes without torch's compiler, which both of them import, though nothing is compiled.

That takes 1.7 seconds and 150 MB.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FunctionType
from typing import Any

from torch._compile import _disable_dynamo
from torch._decomp import global_decomposition_table
from torch.optim import Optimizer

METHODS = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")
"""Of every optimizer; torch hides them from its compiler."""
HIDDEN = "__dynamo_disable"
"""Attribute in which torch keeps what it calls instead of a function that is hidden."""
HIDING = _disable_dynamo(lambda: None).__code__
"""What torch puts around a function to hide it."""


@contextmanager
def without_compiler() -> Iterator[None]:
    """In this context an optimizer is made, saved and loaded without an import of torch's compiler."""
    with _plain([inspect.unwrap(getattr(Optimizer, name)) for name in METHODS]):
        yield


@contextmanager
def shapes_without_compiler() -> Iterator[None]:
    """In this context torch's ``meta`` device computes shapes without an import of torch's compiler."""
    with _plain(list(_functions_of_shapes())):
        yield


@contextmanager
def _plain(functions: Sequence[Callable[..., Any]]) -> Iterator[None]:
    """Let torch call functions that it hides from its compiler without asking that.

    Where the compiler is there already, and where torch hides them in another way, it does nothing.
    """
    marked = [function for function in functions if HIDDEN not in vars(function)]
    if "torch._dynamo" in sys.modules:
        marked = []
    for function in marked:
        setattr(function, HIDDEN, function)
    try:
        yield
    finally:
        for function in marked:
            vars(function).pop(HIDDEN, None)


def _functions_of_shapes() -> Iterator[Callable[..., Any]]:
    """Torch's functions in Python for the ``meta`` device that it hides from its compiler."""
    found: list[Any] = [
        one for table in global_decomposition_table.values() for one in table.values()
    ]
    seen: set[int] = set()
    while found:
        function = found.pop()
        if id(function) in seen or not isinstance(function, FunctionType):
            continue
        seen.add(id(function))
        # What a decorated function says that it wraps may be something further inside.
        inside = dict(_enclosed(function))
        found += inside.values()
        if function.__code__ is HIDING:
            yield inside["fn"]


def _enclosed(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function has from the functions that it was made in."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        # A cell may be empty.
        with suppress(ValueError):
            yield name, cell.cell_contents
