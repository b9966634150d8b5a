"""Optimizers without torch's compiler: their methods import it at the first call, though nothing is compiled.

That takes 1.7 seconds and 150 MB.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from torch.optim import Optimizer

METHODS = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")
"""Of every optimizer; torch hides them from its compiler."""
HIDDEN = "__dynamo_disable"
"""Attribute in which torch keeps what it calls instead of a method that is hidden."""


@contextmanager
def without_compiler() -> Iterator[None]:
    """In this context an optimizer is made, saved and loaded without an import of torch's compiler.

    Where the compiler is there already, and where torch hides its methods in another way, it does nothing.
    """
    plain = [inspect.unwrap(getattr(Optimizer, name)) for name in METHODS]
    marked = [method for method in plain if not hasattr(method, HIDDEN)]
    if "torch._dynamo" in sys.modules:
        marked = []
    for method in marked:
        setattr(method, HIDDEN, method)
    try:
        yield
    finally:
        for method in marked:
            vars(method).pop(HIDDEN, None)
