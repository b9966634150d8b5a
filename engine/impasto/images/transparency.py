"""Colors under transparency: hidden ones are replaced by visible ones from around."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate


def spread(image: Tensor, alpha: Tensor) -> Tensor:
    """The picture with hidden colors replaced by visible ones from around, smoothly.

    Gortler et al., "The Lumigraph", 1996, section 3.4: averages are pulled up a pyramid, each weighted by
    how much of it is visible, and pushed down into the gaps.

    Args:
        image: (1, 3, H, W); colors not multiplied by alpha.
        alpha: (1, 1, H, W) in [0, 1], somewhere above 0.

    Returns:
        (1, 3, H, W): ``image`` where alpha is 1, with no trace of it where alpha is 0.
    """
    if image.shape[-2:] == (1, 1):
        return image
    weight = _halved(alpha)
    color = _halved(image * alpha) / weight.clamp_min(torch.finfo(weight.dtype).tiny)
    # A cell with one visible pixel of four knows its color well enough.
    coarse = spread(color, weight.mul(4).clamp(max=1))
    finer = interpolate(coarse, image.shape[-2:], mode="bilinear", align_corners=False)
    return (image * alpha).add_(finer.mul_(1 - alpha))


def _halved(image: Tensor) -> Tensor:
    return avg_pool2d(image, 2, ceil_mode=True, count_include_pad=False)
