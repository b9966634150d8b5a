"""ICC profiles: into sRGB on the way in, back into the content's profile on the way out."""

from __future__ import annotations

import functools
import logging
import struct
from typing import Any, Literal

import imagecodecs
import numpy
from numpy.typing import NDArray
from PIL import ImageCms

Samples = NDArray[Any]
"""Samples of a picture, (H, W, C), or (H, W) for alpha."""
Space = Literal["gray", "rgb", "cmyk"]
"""What samples mean: light, or ink for ``cmyk``."""

SIGNATURES = {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk"}
"""Space of a profile by bytes 16 to 20 of its header (ICC.1, 7.2.6)."""

logger = logging.getLogger("impasto")


@functools.cache
def srgb() -> bytes:
    """A profile of sRGB, always the same bytes."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # LittleCMS writes the time into bytes 24 to 36 of the header (ICC.1, 7.2.1).
    return made[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + made[36:]


def to_srgb(samples: Samples, space: Space, profile: bytes | None, name: str) -> Samples:
    """(H, W, C) in [0, 1] → (H, W, 3) sRGB in [0, 1].

    Relative colorimetric with black point compensation, as is usual for photographs. Without a
    profile, RGB and gray are taken as sRGB, and CMYK as ideal inks. A profile that cannot be used is
    left aside, and that is said.

    Args:
        samples: float, of a picture in ``space``.
        space: what they mean.
        profile: the picture's ICC profile.
        name: of the picture, for the log.
    """
    if profile is None or profile == srgb():
        return _plain(samples, space)
    means = SIGNATURES.get(profile[16:20])
    if (space, means) == ("gray", "rgb"):
        samples, space = _plain(samples, "gray"), "rgb"
    try:
        if means != space:
            raise ValueError(f"it is for {means or 'other things than pictures'}")
        return _transformed(samples, profile, space, srgb())
    except (ValueError, RuntimeError) as error:
        logger.warning(
            "the ICC profile of picture '%s' is not used, its colors are taken as sRGB: %s",
            name,
            error,
        )
        return _plain(samples, space)


def from_srgb(samples: Samples, profile: bytes) -> Samples:
    """(H, W, 3) sRGB in [0, 1] → the same colors as a profile of RGB writes them, in [0, 1].

    Args:
        samples: float.
        profile: one that :func:`embeddable` passed.
    """
    return samples if profile == srgb() else _transformed(samples, srgb(), "rgb", profile)


def embeddable(profile: bytes | None) -> bytes | None:
    """The profile if it is one of RGB that colors can also be converted to; else None."""
    if profile is None or profile[16:20] != b"RGB ":
        return None
    try:
        from_srgb(numpy.zeros((1, 1, 3), numpy.float32), profile)
    except (ValueError, RuntimeError):
        return None
    return profile


def _transformed(samples: Samples, profile: bytes, space: Space, target: bytes) -> Samples:
    wide = numpy.round(numpy.clip(samples, 0, 1) * 65535).astype(numpy.uint16)
    converted: Samples = imagecodecs.cms_transform(
        numpy.ascontiguousarray(wide[..., 0] if space == "gray" else wide),
        profile,
        target,
        colorspace=space,
        outcolorspace="rgb",
        outdtype="uint16",
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        flags=imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION,
    )
    scaled: Samples = converted.astype(numpy.float32) / 65535
    return scaled


def _plain(samples: Samples, space: Space) -> Samples:
    if space == "cmyk":
        light: Samples = (1 - samples[..., :3]) * (1 - samples[..., 3:])
        return light
    return samples.repeat(3, axis=2) if space == "gray" else samples
