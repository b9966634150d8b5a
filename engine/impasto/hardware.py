"""What to compute on: device, precision, compiled or not. What is chosen automatically is said once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from impasto.errors import SettingsError
from impasto.objective import Objective

logger = logging.getLogger("impasto")


def choose_device(asked: str) -> torch.device:
    """The device asked for, or with ``auto`` the fastest that is there.

    Raises:
        SettingsError: there is no such device here.
    """
    if asked == "auto":
        found = "cuda" if torch.cuda.is_available() else "cpu"
        found = "mps" if found == "cpu" and torch.backends.mps.is_available() else found
        logger.info(
            "device %s: %s", found, "no GPU was found" if found == "cpu" else "a GPU is there"
        )
        return torch.device(found)
    try:
        device = torch.device(asked)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"device '{asked}' cannot be used here: {reason}") from None
    return device


def choose_precision(asked: str, device: torch.device) -> torch.dtype:
    """The precision asked for, or with ``auto`` bfloat16 where the hardware multiplies it natively."""
    if asked != "auto":
        precision: torch.dtype = getattr(torch, asked)
        return precision
    native = _multiplies_bfloat16(device)
    logger.info(
        "precision %s: this %s %s bfloat16",
        "bfloat16" if native else "float32",
        "processor" if device.type == "cpu" else "device",
        "multiplies" if native else "has no instructions that multiply",
    )
    return torch.bfloat16 if native else torch.float32


def choose_compile(
    asked: str, device: torch.device, objective: Objective
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The objective as it is, or compiled.

    On CPUs ``auto`` does not compile: four fifths of a step are convolutions, which plain steps do with
    weights laid out for the processor and compiled ones without. Measured on two cores at 256 pixels in
    bfloat16, compiled steps took 1.1 times as long; ``impasto bench evaluation --compile`` tells.
    """
    wanted = asked == "on" or (asked == "auto" and device.type == "cuda")
    if asked == "auto":
        reason = "pays on a GPU" if wanted else "gains nothing on a CPU"
        logger.info("compile %s: compiling %s", "on" if wanted else "off", reason)
    if not wanted:
        return objective
    compiled: Callable[[Tensor], tuple[Tensor, Tensor]] = torch.compile(objective, fullgraph=True)
    return compiled


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
