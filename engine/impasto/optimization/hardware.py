"""What to compute on: device and precision."""

from __future__ import annotations

import logging

import torch

from impasto.errors import SettingsError

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
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"device '{asked}' cannot be used here: {reason}") from None
    return device


def choose_precision(asked: str, device: torch.device) -> torch.dtype:
    """The precision asked for, or with ``auto`` bfloat16 where the hardware multiplies it natively.

    One that is asked for and only emulated here is warned of: on a processor a step in float16 took
    more than a hundred times as long as one in bfloat16.
    """
    kind = "processor" if device.type == "cpu" else "device"
    if asked != "auto":
        if asked != "float32" and not _multiplies(asked, device):
            logger.warning(
                "precision %s: this %s has no instructions that multiply it, so steps may take"
                " many times as long as with 'auto'", asked, kind,
                extra={"settings": ("precision",)},
            )  # fmt: skip
        precision: torch.dtype = getattr(torch, asked)
        return precision
    native = _multiplies("bfloat16", device)
    logger.debug(
        "precision %s: this %s %s bfloat16",
        "bfloat16" if native else "float32",
        kind,
        "multiplies" if native else "has no instructions that multiply",
    )
    return torch.bfloat16 if native else torch.float32


def _multiplies(precision: str, device: torch.device) -> bool:
    if device.type == "cpu":
        short = {"bfloat16": "bf16", "float16": "fp16"}[precision]
        able = torch.cpu.get_capabilities()
        return bool(able.get(f"avx512_{short}") or able.get(f"amx_{short}"))
    if precision == "float16":
        return True
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
