"""Writing pictures: PNG, JPEG, WebP and TIFF with alpha, profile and metadata.

Pillow cannot write more than 8 bits a color: PNG goes by imagecodecs (libpng), with the chunks around the
pixels put in here; TIFF by Pillow's own directories and zlib.
"""

from __future__ import annotations

import logging
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from torch import Tensor

from impasto.errors import PictureError
from impasto.images.icc import Samples, from_srgb, srgb
from impasto.images.metadata import exif_for

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tiff": "TIFF",
    ".tif": "TIFF",
}
"""Formats that a result can be written in, by the file's suffix."""

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""Pixels that a format allows; the others allow more than memory does."""

MOST_IN_JPEG = 65_000
"""Bytes of EXIF, and of XMP, that one segment of a JPEG holds, with room for its name."""

ROWS = 256
"""Rows in each strip of a TIFF."""
MOST_IN_TIFF = 4_000_000_000
"""Bytes of packed strips for which a TIFF has places of 32 bits, with room for what else is in the file."""
BIG_TIFF = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0)
"""The header of a file with places of 64 bits, which Pillow then writes."""

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class PictureMetadata:
    """What goes into a file besides its colors."""

    alpha: Tensor | None = None
    """(1, 1, H, W) in [0, 1]; None is opaque."""
    profile: bytes | None = None
    """ICC profile of RGB that the colors are converted to; None is sRGB, which is embedded as well."""
    exif: bytes = b""
    xmp: bytes = b""


def check_format(path: Path, depth: int, width: int, height: int) -> None:
    """Refuse, before any work, what the format of an output cannot hold.

    Raises:
        PictureError: too deep, or too long a side.
    """
    check_depth(path, depth)
    kind = SUFFIXES[path.suffix.lower()]
    longest = LONGEST_SIDE.get(kind)
    if longest is not None and max(width, height) > longest:
        raise PictureError(
            f"output '{path}': {kind} holds sides of {longest} pixels at most, not {width} × {height};"
            " .png and .tiff hold more"
        )


def check_depth(path: Path, depth: int) -> None:
    """Refuse a depth that the format of an output cannot hold; an unknown suffix is left to others.

    Raises:
        PictureError: with the formats that can.
    """
    kind = SUFFIXES.get(path.suffix.lower(), "PNG")
    if depth > 8 and kind not in ("PNG", "TIFF"):
        raise PictureError(f"output '{path}': {kind} has 8 bits; 16 go into .png and .tiff")


def write_picture(
    path: Path, image: Tensor, metadata: PictureMetadata, depth: int = 8, quality: int = 95
) -> None:
    """Write a picture in the format of its suffix.

    Args:
        path: with one of ``SUFFIXES``.
        image: (1, 3, H, W) sRGB; values are clipped to [0, 1].
        metadata: what goes with it. JPEG has no alpha: there the picture is laid on white.
        depth: bits for each color; 16 in PNG and TIFF only.
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        OSError: it cannot be written, or not be encoded.
    """
    kind = SUFFIXES[path.suffix.lower()]
    try:
        data = encoded(kind, image, metadata, depth, quality)
    except (ValueError, RuntimeError, MemoryError, struct.error) as error:
        raise OSError(f"it cannot be encoded as {kind}: {error}") from None
    path.write_bytes(data)


def encoded(kind: str, image: Tensor, metadata: PictureMetadata, depth: int, quality: int) -> bytes:
    """The bytes of a file; see :func:`write_picture`."""
    height, width = image.shape[2:]
    exif, xmp = exif_for(metadata.exif, width, height), metadata.xmp
    profile = metadata.profile or srgb()
    if kind == "JPEG":
        exif, xmp = _fitting_jpeg(exif, "EXIF"), _fitting_jpeg(xmp, "XMP")
        if metadata.alpha is not None:
            logger.info("JPEG has no transparency: the picture is laid on white")
    levels = _levels(image, metadata.alpha, profile, depth, on_white=kind == "JPEG")
    if kind == "PNG":
        return _png(levels, profile, exif, xmp)
    if kind == "TIFF":
        return _tiff(levels, profile, exif, xmp)
    file = BytesIO()
    more = {"subsampling": 0} if kind == "JPEG" else {"exact": True}
    Image.fromarray(levels).save(
        file, kind, quality=quality, icc_profile=profile, exif=exif, xmp=xmp, **more
    )
    return file.getvalue()


def _levels(
    image: Tensor, alpha: Tensor | None, profile: bytes, depth: int, on_white: bool
) -> Samples:
    """(H, W, C) whole numbers of a depth, in the colors of a profile; some rows at once, to save memory."""
    channels = 3 if alpha is None or on_white else 4
    kind = numpy.uint8 if depth == 8 else numpy.uint16
    levels = numpy.empty((*image.shape[2:], channels), kind)
    for row in range(0, len(levels), ROWS):
        rows = slice(row, row + ROWS)
        samples = _samples(image[:, :, rows])
        share = None if alpha is None else _samples(alpha[:, :, rows])
        if share is not None and on_white:
            samples, share = samples * share + 1 - share, None
        samples = from_srgb(samples, profile)
        if share is not None:
            samples = numpy.concatenate([samples, share], axis=2)
        levels[rows] = numpy.round(samples.clip(0, 1) * (2**depth - 1))
    return levels


def _samples(image: Tensor) -> Samples:
    samples: Samples = image.detach()[0].clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return samples


def _fitting_jpeg(data: bytes, what: str) -> bytes:
    if len(data) <= MOST_IN_JPEG:
        return data
    logger.warning("the %s is left out: it has %d bytes, too many for JPEG", what, len(data))
    return b""


def _png(levels: Samples, profile: bytes, exif: bytes, xmp: bytes) -> bytes:
    data = bytes(imagecodecs.png_encode(numpy.ascontiguousarray(levels)))
    chunks = _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if exif:
        chunks += _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    if xmp:
        chunks += _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    # The signature has 8 bytes; the header, which is always the first chunk, 25.
    return data[:33] + chunks + data[33:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _strip(levels: Samples) -> bytes:
    """Some rows of a TIFF, packed; one strip after the other, to save memory."""
    apart = levels.copy()
    apart[:, 1:] -= levels[:, :-1]
    return zlib.compress(apart.astype(apart.dtype.newbyteorder("<")).tobytes())


def _tiff(levels: Samples, profile: bytes, exif: bytes, xmp: bytes) -> bytes:
    """TIFF 6.0, or BigTIFF, little-endian: strips packed by zlib after horizontal differences."""
    height, width, samples = levels.shape
    strips = [_strip(levels[row : row + ROWS]) for row in range(0, height, ROWS)]
    is_big = sum(map(len, strips)) > MOST_IN_TIFF
    directory = ImageFileDirectory_v2(BIG_TIFF) if is_big else ImageFileDirectory_v2()
    if exif:
        kept = Image.Exif()
        kept.load(exif)
        for tag in kept:
            directory[tag] = kept.get_ifd(tag) or kept[tag]
    starts = numpy.cumsum([0, *map(len, strips)])[:-1]
    # TIFF 6.0: RGB (2), packed by deflate (8, Technical Note 2), differences (2), alpha kept apart (2).
    directory.update({256: width, 257: height, 258: (levels.itemsize * 8,) * samples})
    directory.update({259: 8, 262: 2, 277: samples, 278: ROWS, 284: 1, 317: 2})
    directory.update({273: tuple(map(int, starts)), 279: tuple(map(len, strips))})
    if samples == 4:
        directory[338] = 2
    place = 16 if is_big else 4  # 64 or 32 bits
    directory.tagtype.update({273: place, 279: place, 700: 1, 34675: 7})
    directory[34675] = profile
    if xmp:
        directory[700] = xmp
    file = BytesIO()
    directory.save(file)
    return file.getvalue() + b"".join(strips)
