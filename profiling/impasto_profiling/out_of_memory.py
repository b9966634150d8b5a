"""What was allocated when memory ran out, written down before the error is shown."""

from __future__ import annotations

import gc
from pathlib import Path

import torch
from torch import Tensor, nn

from impasto.files.outputs import Outputs
from impasto.model import gpu
from impasto.model.precision import precision_name
from impasto.model.scopes import scope_of
from impasto_plugins.callbacks.statistics import peak_memory
from impasto_profiling.standing import MIB

FILE = "out_of_memory.txt"
LARGEST = 40
"""Tensors that are listed."""


def dump(error: BaseException, device: torch.device, folder: Path, outputs: Outputs) -> Path:
    """Write down the error, where it came from, and the tensors that are alive, the largest first.

    Returns:
        The file, in the folder.
    """
    tensors = alive()
    total = sum(tensor.untyped_storage().nbytes() for tensor in tensors)
    lines = [
        f"{type(error).__name__}: {error}",
        f"in: {scope_of(error) or 'no part of a step'}",
        f"peak memory: {peak_memory(device):.0f} MiB",
        f"tensors alive: {len(tensors)}, {total / MIB:.1f} MiB",
        *map(describe, tensors[:LARGEST]),
    ]
    if gpu.is_cuda(device):
        lines.append(torch.cuda.memory_summary(device))
    path = folder / FILE
    with outputs.writing(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def alive() -> list[Tensor]:
    """Tensors that are alive, one for each piece of memory, the largest first."""
    found: dict[int, Tensor] = {}
    for thing in gc.get_objects():
        # Asking for the type alone: some objects run code of their own when they are looked at. Other
        # classes than these only stand for tensors, as meta tensors do.
        if type(thing) in (Tensor, nn.Parameter) and has_memory(thing):
            found.setdefault(thing.untyped_storage().data_ptr(), thing)
    return sorted(found.values(), key=lambda one: -one.untyped_storage().nbytes())


def has_memory(tensor: Tensor) -> bool:
    """Whether a tensor has numbers in memory that can be asked for.

    Those that torch.compile, ``torch.func`` and others wrap tensors in have none, and say so only when
    they are asked.
    """
    if tensor.layout != torch.strided or tensor.device.type == "meta":
        return False
    try:
        tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return False
    return True


def describe(tensor: Tensor) -> str:
    """One line about a tensor."""
    size = tensor.untyped_storage().nbytes() / MIB
    kind = "gradient wanted" if tensor.requires_grad else "no gradient"
    precision = precision_name(tensor.dtype)
    return f"{size:9.1f} MiB  {precision:9} {tuple(tensor.shape)}  {tensor.device}, {kind}"
