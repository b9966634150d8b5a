"""Files of the format safetensors, which hold tensors and texts and run no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from safetensors.torch import load
from torch import Tensor


def parse_safetensors(data: bytes) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The texts and tensors in the bytes of a file, on the CPU.

    The library's own reader of files maps them, and a process dies if somebody shortens one meanwhile.

    Raises:
        SafetensorError: it is cut short or damaged.
        AttributeError, KeyError, TypeError, ValueError, RecursionError: its header is of another form.
    """
    tensors = load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    # Copies lie in memory as torch's own tensors do; those of the file may not be aligned.
    copies = {name: tensors.pop(name).clone() for name in list(tensors)}
    return dict(header["__metadata__"]), copies


def sum_of(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a text and of tensors, with their names, types and shapes."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
