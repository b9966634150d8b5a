"""What to compute on: device and precision."""

from __future__ import annotations

import logging

import torch

from impasto.errors import SettingsError
from impasto.model import gpu

logger = logging.getLogger("impasto")


def choose_device(asked: str) -> torch.device:
    """The device asked for, or with ``auto`` the fastest that is there.

    Raises:
        SettingsError: there is no such device here.
    """
    if asked == "auto":
        found = "cuda" if torch.cuda.is_available() else "cpu"
        found = "mps" if found == "cpu" and torch.backends.mps.is_available() else found
        logger.debug(
            "device %s: %s", found, "no GPU was found" if found == "cpu" else "a GPU is there"
        )
        return torch.device(found)
    try:
        device = torch.device(asked)
        if device.type == "meta":
            raise RuntimeError(
                "it has shapes and no numbers; 'auto' takes a GPU where there is one"
            )
        if gpu.is_cuda(device) and (reason := gpu.refusal(device)):
            raise RuntimeError(reason)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"device '{asked}' cannot be used here: {reason}") from None
    return device


def choose_precision(asked: str, device: torch.device) -> torch.dtype:
    """The precision asked for, or with ``auto`` bfloat16 where the hardware multiplies it natively.

    One that is asked for and only emulated here is warned of.
    """
    kind = "processor" if device.type == "cpu" else "device"
    if asked != "auto":
        if asked != "float32" and not _multiplies_bfloat16(device):
            logger.warning(
                "precision %s: this %s has no instructions that multiply it, so steps may take"
                " many times as long as with 'auto'", asked, kind,
                extra={"settings": ("precision",)},
            )  # fmt: skip
        precision: torch.dtype = getattr(torch, asked)
        return precision
    native = _multiplies_bfloat16(device)
    logger.debug(
        "precision %s: this %s %s bfloat16",
        "bfloat16" if native else "float32",
        kind,
        "multiplies" if native else "has no instructions that multiply",
    )
    return torch.bfloat16 if native else torch.float32


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return gpu.multiplies_bfloat16(device)
