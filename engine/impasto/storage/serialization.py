"""Nested state ↔ plain JSON and named tensors, so that a file of it needs no pickle and runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from impasto.model.gpu import copied_to_host

Plain = Any
"""What JSON can hold. Tensors, tuples and tables become one-key objects that say what they are."""


def pack(value: object, tensors: dict[str, Tensor]) -> Plain:
    """The value as JSON can hold it; its tensors are put into ``tensors``, as copies on the CPU.

    Copies of a card's tensors are whole once :func:`impasto.model.gpu.copies_done` says so.

    Args:
        value: tensors, numbers, text, None, and lists, tuples and mappings of these; keys are text
            or whole numbers, as optimizers have them.
        tensors: gets the tensors, contiguous, by new names.

    Raises:
        TypeError: something else is in it.
    """
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # Copies, since a safetensors file cannot hold two tensors that share memory.
        tensors[name] = copied_to_host(value.contiguous())
        return {"tensor": name}
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    if isinstance(value, tuple):
        return {"tuple": [pack(item, tensors) for item in value]}
    if isinstance(value, list):
        return [pack(item, tensors) for item in value]
    if isinstance(value, Mapping):
        if not all(isinstance(key, (str, int)) for key in value):
            raise TypeError(f"a table with keys that are neither text nor numbers: {list(value)}")
        return {"table": [[key, pack(item, tensors)] for key, item in value.items()]}
    raise TypeError(f"something of type {type(value).__name__}")


def unpack(plain: Plain, tensors: Mapping[str, Tensor]) -> Any:
    """What :func:`pack` was given.

    Raises:
        KeyError, TypeError, ValueError: it is not of that form.
    """
    if isinstance(plain, list):
        return [unpack(item, tensors) for item in plain]
    if not isinstance(plain, dict):
        return plain
    [(kind, content)] = plain.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(unpack(item, tensors) for item in content)
    if kind == "table":
        return {key: unpack(item, tensors) for key, item in content}
    raise ValueError(f"unknown kind '{kind}'")
