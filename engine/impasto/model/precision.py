"""Names of precisions, and the precision that a network computes in."""

from __future__ import annotations

import torch
from torch import nn


def precision_name(precision: torch.dtype) -> str:
    """The name of a precision as settings and records have it: ``bfloat16``."""
    return str(precision).removeprefix("torch.")


def network_precision(network: nn.Module) -> torch.dtype:
    """The precision of a network's first parameter; float32 for a network without parameters."""
    return next((parameter.dtype for parameter in network.parameters()), torch.float32)
