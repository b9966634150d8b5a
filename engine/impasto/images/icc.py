"""ICC profiles: into sRGB on the way in, back into the content's profile on the way out."""

from __future__ import annotations

import functools
import logging
import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal

import imagecodecs
import numpy
from numpy.typing import NDArray
from PIL import ImageCms

Samples = NDArray[Any]
"""Samples of a picture, (H, W, C), or (H, W) for alpha."""
ColorModel = Literal["gray", "rgb", "cmyk", "lab"]
"""What samples mean: light, ink for ``cmyk``, or CIE L*a*b* of D50."""

CHANNELS: dict[ColorModel, int] = {"gray": 1, "rgb": 3, "cmyk": 4, "lab": 3}
"""Samples of each pixel that are colors; what follows them may be alpha."""

SIGNATURES = {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk"}
"""Color model of a profile by bytes 16 to 20 of its header (ICC.1, 7.2.6)."""

SRGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""CIE x and y of white, red, green and blue."""

LARGEST_EMBEDDED = 1_000_000
"""Bytes of a profile that results are written in: Pillow refuses PNGs with a larger one."""

logger = logging.getLogger("impasto")


@functools.cache
def srgb() -> bytes:
    """A profile of sRGB, always the same bytes."""
    return _without_time(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def power_profile(
    color_model: ColorModel, exponent: float | None, points: Sequence[float] = ()
) -> bytes | None:
    """A profile of gray or RGB with a power law, or sRGB's curve; None where that is sRGB, or cannot be.

    Args:
        color_model: gray or rgb.
        exponent: of light, that gives the samples; None is sRGB's curve, and 1 / 2.2 counts as that.
        points: CIE x and y of white, red, green and blue; none are sRGB's.
    """
    points = points or SRGB_POINTS
    if max(abs(one - other) for one, other in zip(points, SRGB_POINTS, strict=True)) < 0.005:
        points = SRGB_POINTS
        if exponent is None or abs(exponent - 1 / 2.2) < 0.01:
            return None
    try:
        curve = {"transferfunction": _curve()} if exponent is None else {"gamma": 1 / exponent}
        made = imagecodecs.cms_profile(
            color_model, whitepoint=points[:2], primaries=points[2:], **curve
        )
    except (ValueError, RuntimeError, ZeroDivisionError):
        return None
    return _without_time(made)


def converter_to_srgb(
    color_model: ColorModel, profile: bytes | None, name: str
) -> Callable[[Samples], Samples]:
    """What converts rows of a picture, (h, W, C) float in [0, 1], to (h, W, 3) sRGB in [0, 1].

    Relative colorimetric with black point compensation, as is usual for photographs. Without a
    profile, RGB and gray are taken as sRGB, and CMYK as ideal inks. A profile that cannot be used is
    ignored, with a warning.

    Args:
        color_model: what the samples mean.
        profile: the picture's ICC profile.
        name: of the picture, for the log.
    """
    plain = functools.partial(_plain, color_model=color_model)
    if color_model == "lab":
        lab = imagecodecs.cms_profile("lab4")
        return lambda rows: _transformed(rows, lab, color_model, srgb())
    if profile is None or profile == srgb():
        return plain
    means = SIGNATURES.get(profile[16:20])
    gray_as_rgb = (color_model, means) == ("gray", "rgb")

    def convert(rows: Samples) -> Samples:
        if gray_as_rgb:
            return _transformed(plain(rows), profile, "rgb", srgb())
        return _transformed(rows, profile, color_model, srgb())

    try:
        if means != color_model and not gray_as_rgb:
            raise ValueError(f"it is for {means or 'other things than pictures'}")
        convert(numpy.zeros((1, 1, CHANNELS[color_model]), numpy.float32))
    except (ValueError, RuntimeError) as error:
        logger.warning(
            "the ICC profile of picture '%s' is not used, its colors are taken as sRGB: %s",
            name,
            error,
        )
        return plain
    return convert


def from_srgb(samples: Samples, profile: bytes) -> Samples:
    """(H, W, 3) sRGB in [0, 1] → the same colors as a profile of RGB writes them, in [0, 1].

    Args:
        samples: float.
        profile: one that :func:`embeddable` passed.
    """
    return samples if profile == srgb() else _transformed(samples, srgb(), "rgb", profile)


def embeddable(profile: bytes | None) -> bytes | None:
    """The profile if it is one of RGB that colors can also be converted to; else None."""
    if profile is None or profile[16:20] != b"RGB " or len(profile) > LARGEST_EMBEDDED:
        return None
    try:
        from_srgb(numpy.zeros((1, 1, 3), numpy.float32), profile)
    except (ValueError, RuntimeError):
        return None
    return profile


def _curve() -> Samples:
    """Light by level, both from 0 to 65535, as sRGB has it (IEC 61966-2-1)."""
    level = numpy.linspace(0, 1, 1024)
    light = numpy.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return numpy.round(light * 65535).astype(numpy.uint16)


def _without_time(profile: bytes) -> bytes:
    # LittleCMS writes the time into bytes 24 to 36 of the header (ICC.1, 7.2.1).
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]


def _transformed(
    samples: Samples, profile: bytes, color_model: ColorModel, target: bytes
) -> Samples:
    wide = numpy.round(numpy.clip(samples, 0, 1) * 65535).astype(numpy.uint16)
    # Optimized, LittleCMS interpolates in a coarse table: dark colors are off by up to 20 of 255 levels.
    converted: Samples = imagecodecs.cms_transform(
        numpy.ascontiguousarray(wide[..., 0] if color_model == "gray" else wide),
        profile,
        target,
        colorspace=color_model,
        outcolorspace="rgb",
        outdtype="uint16",
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        flags=imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION | imagecodecs.CMS.FLAGS.NOOPTIMIZE,
    )
    scaled: Samples = converted.astype(numpy.float32) / 65535
    return scaled


def _plain(samples: Samples, color_model: ColorModel) -> Samples:
    if color_model == "cmyk":
        light: Samples = (1 - samples[..., :3]) * (1 - samples[..., 3:])
        return light
    return samples.repeat(3, axis=2) if color_model == "gray" else samples
