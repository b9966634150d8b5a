"""Nested state ↔ plain JSON and named tensors, so that a file of it needs no pickle and runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from impasto.model.gpu import copied_to_host

Plain = Any
"""What JSON can hold. Tensors, tuples and tables become one-key objects that say what they are."""


def pack(value: object, tensors: dict[str, Tensor], copies: bool = True) -> Plain:
    """The value as JSON can hold it; its tensors are put into ``tensors``, on the CPU.

    Copies of a card's tensors are whole once :func:`impasto.model.gpu.copies_done` says so.

    Args:
        value: tensors, numbers, text, None, and lists, tuples and mappings of these; keys are text
            or whole numbers, as optimizers have them.
        tensors: gets the tensors, contiguous, by new names.
        copies: of all tensors; else only of those that are not on the CPU, and of those that share memory,
            which a safetensors file cannot hold.

    Raises:
        TypeError: something else is in it.
    """
    if isinstance(value, Tensor):
        name = str(len(tensors))
        whole = value.detach().contiguous()
        shares = memory_of(whole) in map(memory_of, tensors.values())
        is_there = whole.device.type == "cpu" and not (copies or shares)
        tensors[name] = whole if is_there else copied_to_host(whole)
        return {"tensor": name}
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    if isinstance(value, tuple):
        return {"tuple": [pack(item, tensors, copies) for item in value]}
    if isinstance(value, list):
        return [pack(item, tensors, copies) for item in value]
    if isinstance(value, Mapping):
        if not all(isinstance(key, (str, int)) for key in value):
            raise TypeError(f"a table with keys that are neither text nor numbers: {list(value)}")
        return {"table": [[key, pack(item, tensors, copies)] for key, item in value.items()]}
    raise TypeError(f"something of type {type(value).__name__}")


def memory_of(tensor: Tensor) -> int:
    """Where the memory of a tensor lies; views share it."""
    return tensor.untyped_storage().data_ptr()


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
