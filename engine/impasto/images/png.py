"""PNG of every depth: pixels by libpng through imagecodecs, and the chunks around them.

Pillow reduces colors of 16 bits to 8, and refuses pictures with much text in their chunks.
"""

from __future__ import annotations

import logging
import struct
import zlib
from dataclasses import replace

import imagecodecs
import numpy
from PIL import Image

from impasto.images.code_points import profile_of_code_points
from impasto.images.icc import ColorModel, power_profile
from impasto.images.metadata import upright_xmp
from impasto.images.samples import DecodedImage, image_of_samples, normalized

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""Chunks that the pixels need."""
MOST = 16_000_000
"""Bytes of a profile, and of XMP; larger ones are left out."""
XMP_NAME = b"XML:com.adobe.xmp\0"
IMAGEMAGICK_EXIF = b"Raw profile type exif\0"

logger = logging.getLogger("impasto")
Chunks = list[tuple[bytes, memoryview]]


def decode_png(data: bytes, name: str, max_pixels: int) -> DecodedImage:
    """The picture of a PNG; of an animation, the one that programs without animations show.

    Args:
        data: the file.
        name: of the picture, for the log.
        max_pixels: against decompression bombs.

    Raises:
        Image.DecompressionBombError: it has more pixels than ``max_pixels``.
        Exception: it is damaged.
    """
    chunks = chunks_within(data, max_pixels)
    if any(kind == b"acTL" for kind, _ in chunks):
        logger.info("picture '%s' has several frames; the first one is used", name)
    needed = [written_chunk(kind, body) for kind, body in chunks if kind in PIXELS]
    levels = numpy.atleast_3d(imagecodecs.png_decode(SIGNATURE + b"".join(needed)))
    samples = normalized(levels, numpy.iinfo(levels.dtype).max)
    image = image_of_samples(samples, "gray" if levels.shape[2] <= 2 else "rgb")
    return replace(
        image, exif=_exif(chunks), xmp=png_xmp(data, name), profile=_profile(chunks, name)
    )


def png_size(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Width and height of a PNG, pixels; all of its chunks are looked at.

    Raises:
        Image.DecompressionBombError: it has more pixels than ``max_pixels``.
        Exception: it is damaged or cut short.
    """
    header = chunks_within(data, max_pixels)[0][1]
    width, height = struct.unpack_from(">2I", header)
    return width, height


def chunks_within(data: bytes, max_pixels: int) -> Chunks:
    """The chunks of a PNG that has no more pixels than a number; see :func:`read_chunks`."""
    width, height = struct.unpack_from(">2I", data, 16)
    if width * height > max_pixels:
        raise Image.DecompressionBombError
    return read_chunks(data)


def png_xmp(data: bytes, name: str) -> bytes:
    """The XMP packet of a PNG, or nothing.

    Raises:
        Exception: it is damaged.
    """
    for kind, body in read_chunks(data):
        if kind == b"iTXt" and body[: len(XMP_NAME)] == XMP_NAME:
            packed, text = body[len(XMP_NAME)], bytes(body[len(XMP_NAME) + 2 :]).split(b"\0", 2)[2]
            return upright_xmp(_inflated(text, "XMP", name) if packed else text)
    return b""


def read_chunks(data: bytes) -> Chunks:
    """Kind and content of each chunk, the header first and the end last.

    Raises:
        ValueError: it is damaged or cut short.
    """
    chunks: Chunks = []
    view, place = memoryview(data), len(SIGNATURE)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(view[place + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError(f"the chunk at byte {place} is damaged")
        chunks.append((kind, view[place + 8 : end]))
        if kind == b"IEND" and chunks[0][0] == b"IHDR":
            return chunks
        place = end + 4
    raise ValueError("image file is truncated")


def written_chunk(kind: bytes, body: bytes | memoryview) -> bytes:
    """A chunk with its length and checksum."""
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _profile(chunks: Chunks, name: str) -> bytes | None:
    """The profile that says what the chunk of the highest rank says (PNG, third edition, 4.3)."""
    kinds = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
    found = {kind: bytes(body) for kind, body in chunks if kind in kinds}
    color_model: ColorModel = "rgb" if chunks[0][1][9] & 2 else "gray"
    if len(found.get(b"cICP", b"")) == 4:
        points = found[b"cICP"]
        return profile_of_code_points(points[0], points[1], color_model, name)
    if b"iCCP" in found:
        packed = found[b"iCCP"].partition(b"\0")[2][1:]
        return _inflated(packed, "ICC profile", name) or None
    if b"sRGB" in found or len(found.get(b"gAMA", b"")) != 4:
        return None
    gamma = struct.unpack(">I", found[b"gAMA"])[0] / 100_000
    primaries = found.get(b"cHRM", b"")
    chromaticities = struct.unpack(">8I", primaries) if len(primaries) == 32 else ()
    return power_profile(color_model, gamma, [value / 100_000 for value in chromaticities])


def _exif(chunks: Chunks) -> Image.Exif:
    exif = Image.Exif()
    for kind, body in chunks:
        if kind == b"eXIf":
            exif.load(bytes(body))
        elif kind == b"zTXt" and body[: len(IMAGEMAGICK_EXIF)] == IMAGEMAGICK_EXIF:
            text = zlib.decompressobj().decompress(body[len(IMAGEMAGICK_EXIF) + 1 :], MOST)
            # Three lines, of which the second has the name and the third the length, then hexadecimals.
            exif.load(bytes.fromhex("".join(text.decode("latin1").split("\n")[3:])))
    return exif


def _inflated(packed: bytes, what: str, name: str) -> bytes:
    """What zlib has packed; nothing, with a warning, where it is damaged or larger than ``MOST``."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, MOST)
    except zlib.error as error:
        logger.warning("the %s of picture '%s' is damaged and left out: %s", what, name, error)
        return b""
    if unpacking.unconsumed_tail:
        logger.warning(
            "the %s of picture '%s' is larger than %d MB and left out", what, name, MOST // 10**6
        )
        return b""
    return content
