"""TIFF of every depth and color model, by tifffile: the same tags mean the same in all of them.

TIFF 6.0 is Adobe, "TIFF Revision 6.0", 1992; Lab of 16 bits is that of Adobe's technical notes, 1995.
"""

from __future__ import annotations

import itertools
import logging
import math
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy
import tifffile
from PIL import Image
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TiffFile, TiffFrame, TiffPage

from impasto.images.icc import CHANNELS, ColorModel, Samples
from impasto.images.metadata import upright_xmp
from impasto.images.samples import (
    ORIENTATION,
    DecodedImage,
    image_of_samples,
    normalized,
    normalized_floats,
)

# What tifffile says of damaged files is not for the user; what matters is raised.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
COLOR_MODELS: dict[int, ColorModel] = {
    PHOTOMETRIC.MINISBLACK: "gray",
    PHOTOMETRIC.MINISWHITE: "gray",
    PHOTOMETRIC.RGB: "rgb",
    PHOTOMETRIC.PALETTE: "rgb",
    PHOTOMETRIC.YCBCR: "rgb",
    PHOTOMETRIC.SEPARATED: "cmyk",
    PHOTOMETRIC.CIELAB: "lab",
    PHOTOMETRIC.ICCLAB: "lab",
}
"""What samples are once they are decoded, by photometric interpretation."""
RAW = (PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW)
"""Interpretations of what a camera's sensor saw."""
LARGEST_PIXEL = 64
"""Bytes of a pixel, at the limit of pixels, that are decoded at most."""
MOST_PAGES = 100
"""Pages that are looked at, to know what kind of file it is."""
INK_SET, XMP, ICC_PROFILE, DNG_VERSION = 332, 700, 34675, 50706
CMYK_INKS = 1


class RawFileError(Exception):
    """A camera's raw file: what its first page shows is a thumbnail."""


def decode_tiff(data: bytes, name: str, max_pixels: int) -> DecodedImage | None:
    """The first page of a TIFF that is no thumbnail.

    Args:
        data: the file.
        name: of the picture, for the log.
        max_pixels: against decompression bombs.

    Returns:
        None for YCbCr that is not packed as JPEG: only libtiff, and so Pillow, decodes that.

    Raises:
        Image.DecompressionBombError: it has, or claims, more pixels than ``max_pixels``.
        RawFileError: it is a camera's raw file.
        ValueError: it is cut short, or of a kind that cannot be read as colors.
        Exception: it is damaged in another way.
    """
    with TiffFile(BytesIO(data)) as file:
        refuse_raw(file, data)
        page = picture_page(file, name)
        if page.photometric == PHOTOMETRIC.YCBCR and page.compression != COMPRESSION.JPEG:
            return None
        check_page(page, data, max_pixels)
        samples = page.asarray(maxworkers=1)
        samples = numpy.moveaxis(samples, 0, -1) if page.axes == "SYX" else samples
        image = _image(page, numpy.atleast_3d(samples), name)
        exif = tiff_exif(data)
        exif[ORIENTATION] = _tag(page, ORIENTATION) or 1
        return replace(image, exif=exif, xmp=_packet(page), profile=_tag(page, ICC_PROFILE))


def tiff_size(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Width and height of the page that :func:`decode_tiff` decodes, pixels.

    Raises:
        As :func:`decode_tiff` does.
    """
    with TiffFile(BytesIO(data)) as file:
        refuse_raw(file, data)
        page = picture_page(file, "")
        check_page(page, data, max_pixels)
        return page.imagewidth, page.imagelength


def tiff_xmp(data: bytes) -> bytes:
    """The XMP packet of a TIFF, or nothing.

    Raises:
        Exception: it is damaged.
    """
    with TiffFile(BytesIO(data)) as file:
        return _packet(picture_page(file, ""))


def tiff_exif(data: bytes) -> Image.Exif:
    """EXIF of the first page; none of a BigTIFF, which Pillow cannot read it from."""
    exif = Image.Exif()
    if data[2:4] in (b"*\0", b"\0*"):
        exif.load(data)
    return exif


def refuse_raw(file: TiffFile, data: bytes) -> None:
    """Refuse what has a sensor's samples in any of its pages, whatever the first page shows.

    Raises:
        RawFileError: it has.
    """
    first = _pages(file)[0]
    if data[8:10] == b"CR" or DNG_VERSION in first.tags:
        raise RawFileError
    for page in _pages(file):
        with suppress(tifffile.TiffFileError, ValueError, IndexError):
            inside = [one for one in page.pages or () if isinstance(one, TiffPage)]
            if any(one.photometric in RAW for one in (page, *inside)):
                raise RawFileError


def picture_page(file: TiffFile, name: str) -> TiffPage:
    """The first page that is neither a smaller copy of another nor its mask; the first if all are."""
    pages = _pages(file)
    pictures = [page for page in pages if not (page.is_reduced or page.is_mask)] or pages
    if len(pictures) > 1 and name:
        logging.getLogger("impasto").info(
            "picture '%s' has several pages; the first one is used", name
        )
    return pictures[0]


def check_page(page: TiffPage, data: bytes, max_pixels: int) -> None:
    """Refuse, before it is decoded, a page that cannot be, or that would take too much memory.

    Raises:
        Image.DecompressionBombError: it has, or claims, more pixels than ``max_pixels``.
        ValueError: it is cut short, or of a kind that cannot be read as colors.
    """
    size = page.imagewidth * page.imagelength
    tile = math.prod(page.chunks) if page.is_tiled else 0
    if size > max_pixels or max(size * page.samplesperpixel, tile) * 8 > max_pixels * LARGEST_PIXEL:
        raise Image.DecompressionBombError
    kind = PHOTOMETRIC(page.photometric).name.lower()
    inks = _tag(page, INK_SET) or CMYK_INKS
    if page.photometric not in COLOR_MODELS or inks != CMYK_INKS or page.imagedepth != 1:
        raise ValueError(f"TIFFs of kind {kind} are not read; RGB, gray, CMYK and Lab are")
    if page.dtype is None or page.dtype.kind not in "buf":
        raise ValueError(
            f"TIFFs of {page.bitspersample} bits and sample format {page.sampleformat} are not read;"
            " unsigned integers and floats are"
        )
    ends = zip(page.dataoffsets, page.databytecounts, strict=True)
    if any(not count or offset + count > len(data) for offset, count in ends):
        raise ValueError("image file is truncated")


def _image(page: TiffPage, samples: Samples, name: str) -> DecodedImage:
    if page.photometric == PHOTOMETRIC.PALETTE:
        samples = numpy.asarray(page.colormap).T[samples[..., 0]]
    color_model = COLOR_MODELS[page.photometric]
    if color_model == "lab":
        levels = _lab(samples, page.photometric)
    elif samples.dtype.kind == "f":
        levels = normalized_floats(samples, name)
    else:
        full = 65535 if page.photometric == PHOTOMETRIC.PALETTE else 2**page.bitspersample - 1
        levels = normalized(samples, full)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        levels[..., 0] = 1 - levels[..., 0]
    alpha = _alpha(page, levels.shape[2] - CHANNELS[color_model])
    premultiplied = EXTRASAMPLE.ASSOCALPHA in page.extrasamples
    return image_of_samples(levels, color_model, alpha, premultiplied)


def _lab(samples: Samples, photometric: int) -> Samples:
    """Lab of 8 or 16 bits, in 8 the same for both kinds but for the sign of a* and b*, as ICC.1 has it."""
    if samples.dtype.kind != "u" or samples.dtype.itemsize > 2:
        raise ValueError("Lab of other than 8 or 16 bits is not read")
    levels = samples.astype(numpy.float32)
    full, sign = (255, 128) if samples.dtype.itemsize == 1 else (65280, 32768)
    if photometric == PHOTOMETRIC.CIELAB:
        levels[..., 1:3] = (levels[..., 1:3] + sign) % (2 * sign)
        levels[..., 0] *= full / (2 * sign - 1)
    levels[..., :3] /= full
    levels[..., 3:] /= 2 * sign - 1
    return levels.clip(0, 1)


def _alpha(page: TiffPage, extra: int) -> int | None:
    """Which of the samples after the colors is alpha: the first where the file does not say what they are."""
    kinds = tuple(page.extrasamples)[:extra]
    colors = page.samplesperpixel - len(page.extrasamples)
    known = [place for place, kind in enumerate(kinds) if kind != EXTRASAMPLE.UNSPECIFIED]
    return None if not kinds else colors + known[0] if known else -1


def _packet(page: TiffPage) -> bytes:
    return upright_xmp(_tag(page, XMP))


def _tag(page: TiffPage, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _pages(file: TiffFile) -> list[TiffPage]:
    """The pages that can be read, the first at least.

    Raises:
        Exception: the first cannot be read.
    """
    pages: list[TiffPage | TiffFrame] = [file.pages.first]
    with suppress(Exception):
        pages.extend(itertools.islice(file.pages, 1, MOST_PAGES))
    return [page for page in pages if isinstance(page, TiffPage)]
