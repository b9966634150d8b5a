"""The running average of a stage's pictures, which is smoother than the last one of them.

Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992, for the idea; the
weights are exponential and the bias toward the start is corrected as in Adam (Kingma and Ba, ICLR
2015, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from impasto.model.canvas import Canvas


class EMA:
    """Exponential moving average of pictures, corrected for the bias toward its start.

    After t pictures x₁ … xₜ it is Σ dᵗ⁻ⁱ xᵢ / Σ dᵗ⁻ⁱ, with d the decay.
    """

    def __init__(self, decay: float) -> None:
        """Begin with nothing.

        Args:
            decay: above 0, below 1; about 1 / (1 - decay) pictures count.
        """
        self.decay = decay
        self.sum: Tensor | None = None
        """Σ dᵗ⁻ⁱ xᵢ, (1, 3, H, W) float32."""
        self.count = 0.0
        """Σ dᵗ⁻ⁱ."""

    @torch.no_grad()
    def update(self, canvas: Canvas) -> None:
        """Add the canvas as it is saved: clipped, so that one wild step cannot spoil many pictures."""
        picture = canvas.picture()
        if self.sum is None:
            self.sum = torch.zeros_like(picture)
        # Before the canvas goes back to its best picture it may hold NaN.
        known = self.sum / max(self.count, 1.0)
        self.sum = self.decay * self.sum + torch.where(picture.isfinite(), picture, known)
        self.count = self.decay * self.count + 1

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` goes on from."""
        return {"sum": self.sum, "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any], like: Tensor) -> None:
        """Go on from what :meth:`state_dict` gave.

        Args:
            state: the ``sum`` and ``count`` of another EMA.
            like: a picture of the stage, on its device.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is not the state of such an EMA.
        """
        total, count = state["sum"], float(state["count"])
        if total is not None and not (0 < count < math.inf and total.shape == like.shape):
            raise ValueError("another shape or count of the average")
        self.count, self.sum = count, None if total is None else total.to(like)

    def picture(self) -> Tensor | None:
        """The averaged picture, (1, 3, H, W) float32 sRGB in [0, 1]; None before the first picture."""
        return None if self.sum is None else self.sum / self.count
