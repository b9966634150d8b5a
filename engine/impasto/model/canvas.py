"""What a canvas is: the tensors that are optimized, and how they become a picture."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Canvas(nn.Module, ABC):
    """Parameters → picture. Its parameters must be contiguous: ``torch.optim.LBFGS`` views them flat."""

    @abstractmethod
    def forward(self) -> Tensor:
        """The picture: (1, 3, H, W) sRGB, about [0, 1]; what lies outside is clipped when saved."""

    def project(self) -> None:
        """Pull the parameters back to where they may be; called after each step, without gradients."""

    @torch.no_grad()
    def picture(self) -> Tensor:
        """The picture as it is saved: (1, 3, H, W) float32 sRGB, clipped to [0, 1]."""
        image: Tensor = self()
        return image.detach().float().clamp(0, 1)
