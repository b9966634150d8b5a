"""Samples of a picture at the depth that its file has, as floats in [0, 1]."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO

import imagecodecs
import numpy
import tifffile
from PIL import Image, ImageCms

from impasto.images.icc import Samples, Space

# What tifffile says of damaged files is not for the user; what matters is raised.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SPACES: dict[str, Space] = {
    "MINISBLACK": "gray",
    "MINISWHITE": "gray",
    "RGB": "rgb",
    "SEPARATED": "cmyk",
}
"""Photometric interpretations of deep TIFFs."""
CHANNELS: dict[Space, int] = {"gray": 1, "rgb": 3, "cmyk": 4}


@dataclass(frozen=True)
class Raster:
    """Samples as they stand in the file: not turned, not converted to sRGB."""

    samples: Samples
    """(H, W, C) float32 in [0, 1], not multiplied by alpha."""
    space: Space
    alpha: Samples | None = None
    """(H, W) float32 in [0, 1]."""
    tags: Mapping[int, object] = field(default_factory=dict)
    """Of a deep TIFF: orientation (274), XMP (700), ICC profile (34675)."""


def raster_of(picture: Image.Image) -> Raster:
    """What Pillow has read.

    Raises:
        ValueError: a mode that cannot be read as colors.
    """
    if picture.has_transparency_data:
        straight = "LA" if picture.mode in ("L", "LA", "La") else "RGBA"
        levels = numpy.asarray(picture.convert(straight)).astype(numpy.float32) / 255
        return _split(levels, "gray" if straight == "LA" else "rgb")
    if picture.mode.startswith("I") or picture.mode == "F":
        # Pillow reads integers of any depth to 16 bits; deeper TIFFs come by way of tifffile.
        scale = 1 if picture.mode == "F" else 65535
        return Raster(_in_range(numpy.asarray(picture) / scale)[..., None], "gray")
    if picture.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        picture = ImageCms.profileToProfile(picture, lab, rgb, outputMode="RGB") or picture
    mode = {"1": "L", "L": "L", "CMYK": "CMYK"}.get(picture.mode, "RGB")
    levels = numpy.asarray(picture.convert(mode)).astype(numpy.float32) / 255
    space: dict[str, Space] = {"L": "gray", "CMYK": "cmyk", "RGB": "rgb"}
    return Raster(numpy.atleast_3d(levels), space[mode])


def deep_png(picture: Image.Image, data: bytes) -> Raster | None:
    """A PNG of 16 bits with color or alpha; None for what Pillow reads in full.

    Raises:
        Exception: it is damaged.
    """
    depth = re.search(rb"^.{12}IHDR.{8}(.)(.)", data, re.DOTALL)
    if picture.format != "PNG" or depth is None or depth[1] != b"\x10":
        return None
    # Color types of the PNG specification: 2 is RGB, 4 gray with alpha, 6 RGBA.
    if depth[2] not in (b"\2", b"\4", b"\6") or "transparency" in picture.info:
        return None
    picture.load()  # Pillow checks every chunk; libpng is content with less.
    wide = numpy.atleast_3d(imagecodecs.png_decode(data)).astype(numpy.float32) / 65535
    return _split(wide, "gray" if wide.shape[2] <= 2 else "rgb")


def deep_tiff(data: bytes, max_pixels: int) -> Raster | None:
    """The first page of a TIFF of more than 8 bits, integer or float; None for anything else.

    Raises:
        Image.DecompressionBombError: it has, or claims, more pixels than ``max_pixels``.
        ValueError: it is cut short, or of a kind that cannot be read as colors.
        Exception: it is damaged in another way.
    """
    if not data.startswith(TIFF_STARTS):
        return None
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages.first
        if not isinstance(page, tifffile.TiffPage) or page.bitspersample <= 8:
            return None
        if page.imagewidth * page.imagelength > max_pixels:
            raise Image.DecompressionBombError
        if page.samplesperpixel > 5 or page.imagedepth != 1:
            raise ValueError(f"a TIFF with {page.samplesperpixel} samples a pixel")
        kind = tifffile.PHOTOMETRIC(page.photometric).name
        space = SPACES.get(kind)
        if space is None or page.dtype is None or page.dtype.kind not in "uf":
            raise ValueError(
                f"TIFFs of {page.bitspersample} bits and kind {kind.lower()} are not read"
            )
        ends = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(not count or offset + count > len(data) for offset, count in ends):
            raise ValueError("image file is truncated")
        samples = page.asarray(maxworkers=1)
        samples = numpy.moveaxis(samples, 0, -1) if page.axes == "SYX" else samples
        full = float(2**page.bitspersample - 1) if page.dtype.kind == "u" else 1.0
        levels = _in_range(numpy.atleast_3d(samples) / full)
        levels = 1 - levels if kind == "MINISWHITE" else levels
        premultiplied = 1 in page.extrasamples
        tags = {code: page.tags[code].value for code in (274, 700, 34675) if code in page.tags}
    return replace(_split(levels, space, premultiplied), tags=tags)


def _split(levels: Samples, space: Space, premultiplied: bool = False) -> Raster:
    """Colors and alpha apart; the first sample beyond the colors counts as alpha."""
    colors = CHANNELS[space]
    if levels.shape[2] < colors:
        raise ValueError(f"{levels.shape[2]} samples a pixel are too few for {space}")
    if levels.shape[2] == colors:
        return Raster(levels, space)
    samples, alpha = levels[..., :colors], levels[..., colors]
    if premultiplied:
        samples = numpy.clip(samples / numpy.maximum(alpha, 1e-6)[..., None], 0, 1)
    return Raster(samples, space, alpha)


def _in_range(values: Samples) -> Samples:
    return numpy.nan_to_num(values, nan=0.0).clip(0, 1).astype(numpy.float32)
