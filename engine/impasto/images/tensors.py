"""Pictures in and out: files ↔ tensors (1, 3, H, W), sRGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from impasto.images.reading import MAX_MEGAPIXELS, Photo, open_picture, photo_of
from impasto.images.writing import SUFFIXES, PictureMetadata, write_picture

__all__ = [
    "MAX_MEGAPIXELS",
    "SUFFIXES",
    "Photo",
    "fitted",
    "interpolated",
    "open_picture",
    "photo_of",
    "resized",
    "save",
    "to_picture",
    "to_tensor",
]


def to_tensor(picture: Photo | Image.Image) -> Tensor:
    """A picture as (1, 3, H, W) float32 sRGB in [0, 1]."""
    return picture.image if isinstance(picture, Photo) else photo_of(picture).image


def to_picture(image: Tensor, alpha: Tensor | None = None) -> Image.Image:
    """(1, 3, H, W) sRGB as an 8-bit picture; values are clipped to [0, 1] and rounded.

    Args:
        image: the colors.
        alpha: (1, 1, H, W) in [0, 1]; with it the picture is RGBA, else RGB.
    """
    image = image.detach().cpu()
    image = image if alpha is None else torch.cat([image, alpha.detach().cpu()], 1)
    levels = image[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(numpy.ascontiguousarray(levels.permute(1, 2, 0).numpy()))


def resized(image: Tensor, height: int, width: int, wraps: Sequence[int] = ()) -> Tensor:
    """The picture at another size, with antialiasing, clipped to [0, 1].

    Args:
        image: (1, 3, H, W).
        height: pixels, 1 or more.
        width: pixels, 1 or more.
        wraps: axes whose ends are neighbors, of 2 and 3; see :mod:`impasto.model.torus`.
    """
    if image.shape[-2:] == (height, width):
        return image
    made = interpolated(image, height, width, "bicubic", wraps)
    # What wraps is a part of a larger picture, which is not to be kept.
    return made.clamp(0, 1) if wraps else made.clamp_(0, 1)


def interpolated(
    image: Tensor, height: int, width: int, mode: str, wraps: Sequence[int] = ()
) -> Tensor:
    """The tensor at another size, with antialiasing, neither clipped nor copied.

    Args:
        image: (1, C, H, W).
        height: pixels, 1 or more.
        width: pixels, 1 or more.
        mode: ``bicubic`` or ``bilinear``.
        wraps: axes whose ends are neighbors, of 2 and 3.
    """
    for axis in wraps:
        # One of three copies sees its neighbors, and keeps the size exactly.
        length = (height, width)[axis - 2]
        size = (3 * length, image.shape[3]) if axis == 2 else (image.shape[2], 3 * length)
        thrice = interpolate(torch.cat([image] * 3, axis), size, mode=mode, antialias=True)
        image = thrice.narrow(axis, length, length)
    if image.shape[2:] == (height, width):
        return image
    return interpolate(image, (height, width), mode=mode, antialias=True)


def fitted(width: int, height: int, size: int, side: str = "longer") -> tuple[int, int]:
    """Width and height of a picture of that shape whose longer (or shorter) side is ``size``."""
    scale = size / (max(width, height) if side == "longer" else min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix, without metadata.

    Raises:
        OSError: it cannot be written.
    """
    photo = photo_of(picture)
    write_picture(path, photo.image, PictureMetadata(photo.alpha))
