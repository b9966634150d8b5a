"""Seamless pictures: the canvas as a torus, so that copies laid side by side join.

Axes that wrap are dimensions of a tensor (1, C, H, W): 3 wraps left to right, 2 top to bottom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def around(feature: Tensor, before: int, after: int, wraps: Sequence[int]) -> Tensor:
    """The feature with pixels of its other end added at both ends of the axes that wrap.

    Args:
        feature: (1, C, h, w).
        before: pixels to add above and on the left, at most as many as there are.
        after: the same below and on the right.
        wraps: axes that wrap, of 2 and 3; the others are left as they are.
    """
    for axis in wraps:
        length = feature.shape[axis]
        ends = [feature.narrow(axis, length - before, before)] if before else []
        starts = [feature.narrow(axis, 0, after)] if after else []
        if ends or starts:
            feature = torch.cat([*ends, feature, *starts], axis)
    return feature


def inside(feature: Tensor, rim: int, wraps: Sequence[int]) -> Tensor:
    """The feature without so many pixels at both ends of the axes that wrap."""
    for axis in wraps:
        feature = feature.narrow(axis, rim, feature.shape[axis] - 2 * rim)
    return feature


def periodic(image: Tensor, wraps: Sequence[int]) -> Tensor:
    """The picture without the jump from its one end to the other, clipped to [0, 1].

    The jump is spread over the picture as the smoothest that has it: Moisan, "Periodic Plus Smooth Image
    Decomposition", Journal of Mathematical Imaging and Vision 2011, equations 9 to 11.

    Args:
        image: (1, C, H, W) in [0, 1].
        wraps: axes that are to wrap; with none the picture is left as it is.
    """
    if not wraps:
        return image
    jumps = torch.zeros_like(image)
    for axis in wraps:
        last = image.shape[axis] - 1
        jump = image.narrow(axis, last, 1) - image.narrow(axis, 0, 1)
        jumps.narrow(axis, 0, 1).add_(jump)
        jumps.narrow(axis, last, 1).sub_(jump)
    height, width = image.shape[2:]
    down = torch.fft.fftfreq(height, device=image.device)[:, None]
    across = torch.fft.rfftfreq(width, device=image.device)
    laplacian = 2 * (2 * math.pi * down).cos() + 2 * (2 * math.pi * across).cos() - 4
    # The mean has no Laplacian, and there is no jump in it.
    laplacian[0, 0] = 1
    smooth = torch.fft.irfft2(torch.fft.rfft2(jumps) / laplacian, s=(height, width))
    made: Tensor = (image - smooth).clamp(0, 1)
    return made
