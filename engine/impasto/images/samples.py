"""The samples of a picture at the depth that its file has, as floats in [0, 1]."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy
from PIL import Image

from impasto.errors import PictureError
from impasto.images.icc import CHANNELS, ColorModel, Samples

ORIENTATION = 0x0112
"""EXIF's tag for how a picture has to be turned."""

ROWS = 256
"""Rows that are converted at once."""

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class DecodedImage:
    """What a file holds: not turned upright, not converted to sRGB."""

    samples: Samples
    """(H, W, C) float32 in [0, 1], not multiplied by alpha. Lab as ICC.1 encodes it: L* / 100,
    (a* + 128) / 255, (b* + 128) / 255."""
    color_model: ColorModel
    alpha: Samples | None = None
    """(H, W) float32 in [0, 1]; None is opaque."""
    exif: Image.Exif = field(default_factory=Image.Exif)
    """With the orientation."""
    xmp: bytes = b""
    profile: bytes | None = None
    """ICC profile of the samples."""


def bands(height: int) -> Iterator[slice]:
    """Rows of a picture that are worked on at once, so that what lies between takes little memory."""
    yield from (slice(row, row + ROWS) for row in range(0, height, ROWS))


def normalized(values: Samples, full: float) -> Samples:
    """Integers from 0 to ``full``, or floats up to it, as float32 in [0, 1]. NaN is 0."""
    # Integers of 32 bits are more than float32 tells apart.
    wide = (
        numpy.float64 if values.dtype.kind in "iu" and values.dtype.itemsize > 2 else numpy.float32
    )
    levels = numpy.empty(values.shape, numpy.float32)
    for rows in bands(len(values)):
        scaled = numpy.divide(values[rows], full, dtype=wide)
        levels[rows] = numpy.nan_to_num(scaled, copy=False, nan=0.0).clip(0, 1)
    return levels


def normalized_floats(values: Samples, name: str) -> Samples:
    """Floats as float32 in [0, 1], whatever range a program wrote them in.

    Most programs write black as 0 and white as 1; some write 255 or 65535 as white. Where more than half
    of the values are above 1, white is taken to be the smaller of those two that holds them all. Other
    values outside [0, 1] are the highlights of a picture with a high dynamic range and are clipped. Both
    are logged.

    Args:
        values: of any shape; those that are not finite do not count.
        name: of the picture, for the log.

    Raises:
        PictureError: more than half of the values are above 1, and some are above 65535.
    """
    finite = values[numpy.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low >= 0 and high <= 1:
        return normalized(values, 1)
    said = f"picture '{name}' has floats from {low:.6g} to {high:.6g}"
    if numpy.median(finite) <= 1:
        logger.warning("%s; they are clipped to 0 (black) and 1 (white)", said)
        return normalized(values, 1)
    white = next((white for white in (255, 65535) if high <= white), None)
    if white is None:
        raise PictureError(f"{said}; scale them to 0 (black) to 1 (white)")
    logger.warning("%s; %d is taken as white", said, white)
    return normalized(values, white)


def image_of_samples(
    samples: Samples, color_model: ColorModel, alpha: int | None = None, premultiplied: bool = False
) -> DecodedImage:
    """An image of colors and alpha that stand together.

    Args:
        samples: (H, W, C) float32 in [0, 1].
        color_model: says how many of them are colors.
        alpha: place of the alpha among the samples; None takes the first one after the colors, where
            there is one; -1 takes none.
        premultiplied: whether the colors were multiplied by alpha.

    Raises:
        ValueError: fewer samples than the color model needs.
    """
    colors = CHANNELS[color_model]
    if samples.shape[2] < colors:
        raise ValueError(f"{samples.shape[2]} samples a pixel are too few for {color_model}")
    place = colors if alpha is None else alpha
    if place < 0 or place >= samples.shape[2]:
        return DecodedImage(samples[..., :colors], color_model)
    opacity, samples = samples[..., place], samples[..., :colors]
    if premultiplied:
        samples = numpy.clip(samples / numpy.maximum(opacity, 1e-6)[..., None], 0, 1)
    return DecodedImage(samples, color_model, opacity)
