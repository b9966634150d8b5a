"""JPEG XL: pixels by imagecodecs, at the depth of the file; the size before anything is decoded.

The header is that of ISO/IEC 18181-1, annexes A and D.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import imagecodecs
import numpy

from impasto.images.samples import DecodedImage, image_of_samples, normalized, normalized_floats

CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
SIGNATURES = (b"\xff\x0a", CONTAINER)
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Ratios of width to height, for headers that give the height alone."""


class Bits:
    """Reads numbers from a string of bits, the lowest bit of each byte first."""

    def __init__(self, data: bytes) -> None:
        self.rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """The next ``count`` bits as a number."""
        number = self.rest & ((1 << count) - 1)
        self.rest >>= count
        return number


def jpeg_xl_header(data: bytes) -> tuple[int, int, bool]:
    """Width and height, pixels, and whether there are several frames.

    Raises:
        ValueError: there is no picture in it.
    """
    bits = Bits(_codestream(data)[2:64])
    width, height = _size(bits)
    if bits.take(1) or not bits.take(1):  # Everything as by default, or no extra fields.
        return width, height, False
    bits.take(3)
    if bits.take(1):
        _size(bits)
    has_preview = bits.take(1)
    return width, height, not has_preview and bool(bits.take(1))


def decode_jpeg_xl(data: bytes, name: str) -> DecodedImage:
    """The first frame, upright.

    Raises:
        Exception: it is damaged.
    """
    levels = numpy.atleast_3d(imagecodecs.jpegxl_decode(data, index=0))
    if levels.dtype.kind == "f":
        samples = normalized_floats(levels, name)
    else:
        samples = normalized(levels, numpy.iinfo(levels.dtype).max)
    return image_of_samples(samples, "gray" if levels.shape[2] <= 2 else "rgb")


def _size(bits: Bits) -> tuple[int, int]:
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if not ratio:
        return _side(bits, small), height
    over, under = RATIOS[ratio - 1]
    return height * over // under, height


def _side(bits: Bits, small: int) -> int:
    if small:
        return (bits.take(5) + 1) * 8
    return bits.take((9, 13, 18, 30)[bits.take(2)]) + 1


def _codestream(data: bytes) -> bytes:
    """The beginning of the codestream, inside its container or bare."""
    if not data.startswith(CONTAINER):
        return data[:64]
    for kind, content in _boxes(data):
        if kind in (b"jxlc", b"jxlp"):
            return content[4 if kind == b"jxlp" else 0 :]
    raise ValueError("there is no picture in it")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind of each box and its first bytes."""
    place = 0
    while place + 16 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        yield kind, data[start : start + 72]
        if length < 8:
            return
        place += length
