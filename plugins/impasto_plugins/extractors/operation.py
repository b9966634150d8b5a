"""A function as an operation of torch that starts at once.

``torch.library.custom_op`` imports torch's compiler at its first call: 1.7 seconds and 150 MB that a run
without compiling has no need of. This has no gradient and no form for the compiler; an autograd function
around it, or another operation, gives those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import torch

Given = ParamSpec("Given")
Made = TypeVar("Made")

_libraries: list[torch.library.Library] = []
"""Kept, since an operation is gone with its library."""


def operation(name: str) -> Callable[[Callable[Given, Made]], Callable[Given, Made]]:
    """Register a function of tensors, which changes none of them, as ``namespace::name``.

    Args:
        name: which profiles show.
    """

    def registered(function: Callable[Given, Made]) -> Callable[Given, Made]:
        namespace, own = name.split("::")
        library = torch.library.Library(namespace, "FRAGMENT")  # type: ignore[no-untyped-call]
        schema = torch.library.infer_schema(function, mutates_args=())
        library.define(own + schema)  # type: ignore[no-untyped-call]
        library.impl(own, function, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
        _libraries.append(library)
        return cast("Callable[Given, Made]", getattr(getattr(torch.ops, namespace), own))

    return registered
