"""Optical flow: where each pixel of one picture is in another, and where that can be relied on.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos", GCPR 2016, section 4.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


class Flow(ABC):
    """Finds out where each pixel of a picture is in another."""

    @abstractmethod
    def between(self, before: Tensor, after: Tensor) -> Tensor:
        """How far each pixel of ``before`` has gone in ``after``.

        Args:
            before: (1, 3, H, W) sRGB in [0, 1], float32 on the CPU.
            after: the same, of the same size.

        Returns:
            (1, 2, H, W) float32: pixels to the right, and pixels down.
        """


def warped(image: Tensor, flow: Tensor) -> Tensor:
    """A picture whose every pixel is fetched from where the flow leads; beyond the border, from the border.

    With the flow from this frame back to another, and the other's picture, it is that picture as it would
    look in this frame.

    Args:
        image: (1, C, H, W).
        flow: (1, 2, H, W), pixels to the right and down.
    """
    height, width = image.shape[2:]
    right, down = targets(flow)
    grid = torch.stack(
        [2 * right / max(1, width - 1) - 1, 2 * down / max(1, height - 1) - 1], dim=-1
    )
    return grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=True)


def targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Where the flow leads to: column and row of each pixel, (1, H, W) each."""
    down, right = torch.meshgrid(
        torch.arange(flow.shape[2], dtype=flow.dtype, device=flow.device),
        torch.arange(flow.shape[3], dtype=flow.dtype, device=flow.device),
        indexing="ij",
    )
    return flow[:, 0] + right, flow[:, 1] + down


def agreement(forward: Tensor, backward: Tensor) -> Tensor:
    """Where a frame can be compared with the one before: 1 there, and 0 elsewhere, (1, 1, H, W).

    It is 0 where nothing of it was in view (see :func:`in_view`), and at the boundaries of what moves (Ruder
    et al. 2016, section 4.1).

    Args:
        forward: (1, 2, H, W), from the frame before to this one, in pixels.
        backward: (1, 2, H, W), from this frame to the one before.
    """
    return in_view(forward, backward) * (~motion_boundary(backward)).to(backward)


def in_view(forward: Tensor, backward: Tensor) -> Tensor:
    """What was in the frame before: 1 there, and 0 elsewhere, (1, 1, H, W).

    It is 0 where forward and backward flow disagree, as where something comes into view, and where the
    backward flow leads out of the picture, which is ours.

    Args:
        forward: (1, 2, H, W), from the frame before to this one, in pixels.
        backward: (1, 2, H, W), from this frame to the one before.
    """
    return (in_picture(backward) & ~disoccluded(forward, backward)).to(backward)


def disoccluded(forward: Tensor, backward: Tensor) -> Tensor:
    """Where forth and back again does not lead home: |w̃ + ŵ|² > 0.01 (|w̃|² + |ŵ|²) + 0.5.

    ŵ is the backward flow, and w̃ the forward flow where that leads to.

    Returns:
        (1, 1, H, W), true or false.
    """
    fetched = warped(forward, backward)
    return squared(fetched + backward) > 0.01 * (squared(fetched) + squared(backward)) + 0.5


def motion_boundary(backward: Tensor) -> Tensor:
    """Where the flow changes fast: |∇û|² + |∇v̂|² > 0.01 |ŵ|² + 0.002, (1, 1, H, W), true or false."""
    down, right = torch.gradient(backward, dim=(2, 3))
    return squared(down) + squared(right) > 0.01 * squared(backward) + 0.002


def in_picture(flow: Tensor) -> Tensor:
    """Where the flow leads to a place in the picture, (1, 1, H, W), true or false."""
    right, down = targets(flow)
    inside = (right >= 0) & (right <= flow.shape[3] - 1) & (down >= 0) & (down <= flow.shape[2] - 1)
    return inside[:, None]


def squared(flow: Tensor) -> Tensor:
    """Squared length of each pixel's flow, (1, 1, H, W)."""
    return flow.square().sum(1, keepdim=True)
