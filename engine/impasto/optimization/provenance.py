"""What the last digits of a picture depend on besides its inputs: versions, machine, network."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import PIL
import torch

from impasto.model import gpu
from impasto.model.precision import precision_name

if TYPE_CHECKING:
    from impasto.optimization.state import Prepared


def versions() -> dict[str, str]:
    """The versions of the packages that a picture depends on."""
    from impasto import __version__

    return {
        "impasto": __version__,
        "torch": torch.__version__,
        "pillow": PIL.__version__,
        "python": platform.python_version(),
    }


def machine_of(prepared: Prepared) -> dict[str, Any]:
    """Where and how a run computes; with the same inputs and the same machine the bytes are the same."""
    card = gpu.card(prepared.device)
    return {
        **({"card": card} if card else {}),
        "device": str(prepared.device),
        "precision": precision_name(prepared.precision),
        "compiled": prepared.compiled,
        "threads": torch.get_num_threads(),
    }
