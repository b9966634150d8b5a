"""Formats with more than 8 bits that Pillow reads with 8: by other libraries with all, or that is said."""

from __future__ import annotations

import importlib
import logging
import re
import struct
from collections.abc import Callable
from io import BytesIO

import imagecodecs
import numpy
from PIL import Image

from impasto.images.icc import Samples
from impasto.images.samples import DecodedImage, image_of_samples, normalized

CODESTREAM = b"\xff\x4f\xff\x51"
"""Where a JPEG 2000 codestream begins: SOC and SIZ (ISO/IEC 15444-1, A.5.1)."""

logger = logging.getLogger("impasto")


def deep_samples(picture: Image.Image, data: bytes, name: str) -> DecodedImage | None:
    """All bits of a picture that Pillow has read with 8; None where it has no more, or they cannot be read.

    The latter is said.

    Args:
        picture: as Pillow opened it.
        data: its file.
        name: for the log.

    Raises:
        Exception: it is damaged.
    """
    bits_of, decode = FORMATS.get(picture.format or "", (no_bits, no_levels))
    bits = bits_of(picture, data)
    if bits <= 8 or picture.mode.startswith("I"):
        return None
    levels = decode(data, bits)
    if levels is None or levels.shape[:2] != (picture.height, picture.width):
        logger.warning("picture '%s' has %d bits a sample and is read with 8", name, bits)
        return None
    levels = numpy.atleast_3d(levels)
    samples = normalized(levels, 2**bits - 1)
    return image_of_samples(samples, "gray" if levels.shape[2] <= 2 else "rgb")


def no_bits(_: Image.Image, __: bytes) -> int:
    """Of formats that hold 8 bits, or of which Pillow reads all."""
    return 0


def no_levels(_: bytes, __: int) -> Samples | None:
    """Of formats that only Pillow reads."""
    return None


def avif_bits(_: Image.Image, data: bytes) -> int:
    """Bits a sample, by the configuration of the codec (AV1 in ISOBMFF, 2.3.3)."""
    flags = data[data.find(b"av1C") + 6]
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10


def avif_levels(data: bytes, _: int) -> Samples | None:
    """Levels, not turned, as Pillow gives them."""
    levels: Samples = imagecodecs.avif_decode(data, index=0)
    return levels


def heic_bits(picture: Image.Image, _: bytes) -> int:
    """Bits a sample, as pillow-heif tells them."""
    return int(picture.info.get("bit_depth", 8))


def heic_levels(data: bytes, bits: int) -> Samples | None:
    """Levels as they are in the file; pillow-heif gives them in the upper bits of 16."""
    opened = importlib.import_module("pillow_heif").open_heif(
        BytesIO(data), convert_hdr_to_8bit=False
    )
    if opened.mode not in ("RGB;16", "RGBA;16"):
        return None
    levels: Samples = numpy.asarray(opened) >> (16 - bits)
    return levels


def jpeg_2000_bits(_: Image.Image, data: bytes) -> int:
    """Bits of the deepest component."""
    return max(bits for bits, _, _ in jpeg_2000_components(data))


def jpeg_2000_levels(data: bytes, bits: int) -> Samples | None:
    """Levels, if all samples are alike and mean gray or RGB, or what a profile says."""
    colors = data.find(b"colr", 0, data.find(CODESTREAM))
    method, _, _, space = (
        struct.unpack_from(">3BI", data, colors + 4) if colors > 0 else (1, 0, 0, 16)
    )
    if {*jpeg_2000_components(data)} != {(bits, 1, 1)} or (method == 1 and space not in (16, 17)):
        return None
    levels: Samples = imagecodecs.jpeg2k_decode(data)
    return levels


def jpeg_2000_components(data: bytes) -> list[tuple[int, int, int]]:
    """Bits of each component, with 128 more if it has a sign, and how far apart its samples are."""
    header = data.find(CODESTREAM) + 4
    (count,) = struct.unpack_from(">H", data, header + 36)
    triples = struct.iter_unpack(">3B", data[header + 38 : header + 38 + 3 * count])
    return [(bits + 1, across, down) for bits, across, down in triples]


def ppm_bits(_: Image.Image, data: bytes) -> int:
    """Bits of the largest level, which the header has after width and height, comments left out."""
    words = re.sub(rb"#[^\n]*", b"", data[:1000]).split(maxsplit=4)
    return int(words[3]).bit_length() if words[0] in (b"P3", b"P6") else 0


def sgi_bits(_: Image.Image, data: bytes) -> int:
    """By the bytes of a sample, in byte 3 of the header."""
    return 8 * data[3]


FORMATS: dict[
    str, tuple[Callable[[Image.Image, bytes], int], Callable[[bytes, int], Samples | None]]
] = {
    "AVIF": (avif_bits, avif_levels),
    "HEIF": (heic_bits, heic_levels),
    "JPEG2000": (jpeg_2000_bits, jpeg_2000_levels),
    "PPM": (ppm_bits, no_levels),
    "SGI": (sgi_bits, no_levels),
}
"""For each format of Pillow: bits a sample, and levels (H, W) or (H, W, C); None where these are not read."""
