"""Pictures that a program has in memory: arrays of NumPy and tensors, checked for what they are."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor

from impasto.errors import PictureError
from impasto.images.reading import SMALLEST_SIDE, Photo
from impasto.images.transparency import spread

Array = numpy.ndarray[Any, Any]

OF_ARRAYS = (
    "wanted is (H, W, 3) in RGB, uint8 or float in [0, 1]; or (H, W), or (H, W, 4) with alpha"
)
OF_TENSORS = (
    "wanted is (3, H, W) or (1, 3, H, W) in RGB, uint8 or float in [0, 1]; or 1 or 4 channels"
)
NUMBERS = "biuf"
"""Kinds of types of NumPy that are looked at: truth values, whole numbers, floats."""
CHANNELS = (1, 3, 4)
ROUNDING = 1e-4
"""How far a float may lie outside of [0, 1], where it is clipped: what arithmetic leaves."""


def photo_of_samples(samples: Array | Tensor, name: str = "picture") -> Photo:
    """An array or a tensor as a :class:`Photo`. It is copied, and has no gradient.

    Args:
        samples: an array (H, W, 3), (H, W) or (H, W, 4); or a tensor (3, H, W) or (1, 3, H, W), on any
            device, also of 1 or 4 channels. sRGB, a fourth channel is alpha, colors not multiplied by
            it; uint8, or float in [0, 1]. Nothing tells RGB from BGR.
        name: what it is called in an error.

    Raises:
        PictureError: another shape, type or range, with what was given and what is wanted; too small, or
            transparent all over.
    """
    is_tensor = isinstance(samples, Tensor)
    wanted = OF_TENSORS if is_tensor else OF_ARRAYS
    given = f"the {name} is {'a tensor' if is_tensor else 'an array'}"
    if not isinstance(samples, Tensor) and samples.dtype.kind not in NUMBERS:
        raise PictureError(f"{given} of {samples.dtype}; {wanted}")
    laid_out = of_tensor(samples) if isinstance(samples, Tensor) else of_array(samples)
    if laid_out is None:
        hint = other_order(tuple(samples.shape), is_tensor)
        raise PictureError(f"{given} of shape {tuple(samples.shape)}; {wanted}{hint}")
    height, width = laid_out.shape[2:]
    if min(width, height) < SMALLEST_SIDE:
        raise PictureError(
            f"the {name} is {width} × {height} pixels; each side needs at least {SMALLEST_SIDE}"
        )
    image = in_unit_range(laid_out, f"{given} of {samples.dtype}", wanted)
    colors = image[:, :3].expand(1, 3, height, width).contiguous()
    if image.shape[1] < 4 or bool((image[:, 3:] == 1).all()):
        return Photo(colors)
    alpha = image[:, 3:].contiguous()
    if not alpha.any():
        raise PictureError(f"the {name} is transparent all over")
    return Photo(spread(colors, alpha), alpha)


def of_array(array: Array) -> Tensor | None:
    """An array as (1, C, H, W) with C of 1, 3 or 4; None where its shape is another."""
    if array.ndim not in (2, 3):
        return None
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.shape[2] not in CHANNELS:
        return None
    # Torch has no long doubles, no reversed bytes, no read-only memory and no negative strides.
    kind = numpy.float64 if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array.dtype
    plain = numpy.array(pixels, dtype=numpy.dtype(kind).newbyteorder("="), order="C")
    return torch.from_numpy(plain).permute(2, 0, 1)[None]


def of_tensor(tensor: Tensor) -> Tensor | None:
    """A tensor as (1, C, H, W) with C of 1, 3 or 4, on the CPU; None where its shape is another."""
    batch = tensor[None] if tensor.dim() == 3 else tensor
    if batch.dim() != 4 or batch.shape[0] != 1 or batch.shape[1] not in CHANNELS:
        return None
    return batch.detach().cpu().clone()


def other_order(shape: tuple[int, ...], is_tensor: bool) -> str:
    """How a shape becomes one that is wanted, where that is plain to see."""
    batch = len(shape) == 4 and shape[0] != 1
    if batch and is_tensor:
        return ": take the pictures of a batch one by one"
    one = shape[1:] if len(shape) == 4 else shape
    if len(one) != 3:
        return ""
    place = ", of the picture of the batch" if len(shape) == 4 else ""
    if is_tensor and one[2] in CHANNELS:
        return f": permute(2, 0, 1){place}"
    return f": transpose(1, 2, 0){place}" if not is_tensor and one[0] in CHANNELS else ""


def in_unit_range(image: Tensor, given: str, wanted: str) -> Tensor:
    """Samples as float32 in [0, 1].

    Args:
        image: of any type.
        given: the samples and their type, for errors.
        wanted: what they should be, for errors.

    Raises:
        PictureError: another type, or values that are not finite or lie outside.
    """
    if image.dtype == torch.uint8:
        return image.float() / 255
    if not image.is_floating_point():
        raise PictureError(f"{given}; {wanted}")
    image = image.float()
    if not image.isfinite().all():
        raise PictureError(f"{given} with NaN or infinite values; {wanted}")
    least, most = image.min().item(), image.max().item()
    if least < -ROUNDING or most > 1 + ROUNDING:
        hint = ": divide by 255" if least >= 0 and 1.5 < most <= 255 else ""
        raise PictureError(f"{given} with values from {least:.3g} to {most:.3g}; {wanted}{hint}")
    return image.clamp(0, 1)
