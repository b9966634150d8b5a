"""Which reader decodes which file."""

from __future__ import annotations

from PIL import Image

from impasto.errors import PictureError
from impasto.images import jpeg_xl, png, tiff
from impasto.images.metadata import upright_xmp
from impasto.images.pillow_formats import RAW_ADVICE, decode_opened, open_added, open_known
from impasto.images.samples import DecodedImage


def decode(data: bytes, name: str, max_pixels: int) -> DecodedImage:
    """Decode a picture file; of several pictures in it, the first.

    Args:
        data: the file.
        name: of the picture, for messages.
        max_pixels: that it may have. Pillow's own limit has to be set to it.

    Raises:
        Image.DecompressionBombError: it has, or claims, more pixels.
        PictureError: a camera's raw file, or a format that is not installed.
        UnidentifiedImageError: it is no picture in a format that is known.
        Exception: it is damaged.
    """
    check_jpeg_xl(data, max_pixels)
    if (added := open_added(data)) is not None:
        with added:
            return decode_opened(added, name, data)
    if data.startswith(png.SIGNATURE):
        return png.decode_png(data, name, max_pixels)
    try:
        image = tiff.decode_tiff(data, name, max_pixels) if is_tiff(data) else None
    except tiff.RawFileError:
        raise PictureError(f"picture '{name}' {RAW_ADVICE}") from None
    if image is not None:
        return image
    with open_known(data, name) as opened:
        return decode_opened(opened, name, data)


def xmp_in(data: bytes, name: str, max_pixels: int) -> bytes:
    """The XMP packet of a picture file, mostly without decoding pixels; nothing where there is none.

    Raises:
        As :func:`decode` does.
    """
    check_jpeg_xl(data, max_pixels)
    if data.startswith(png.SIGNATURE):
        return png.png_xmp(data, name)
    if is_tiff(data):
        return tiff.tiff_xmp(data)
    with open_added(data) or open_known(data, name) as opened:
        return upright_xmp(opened.info.get("xmp"))


def size_in(data: bytes, name: str, max_pixels: int) -> tuple[int, int]:
    """Width and height of a picture file, pixels, as far as possible without decoding it.

    What is turned by its orientation may have them the other way around.

    Raises:
        As :func:`decode` does, for what can be seen without its pixels.
    """
    check_jpeg_xl(data, max_pixels)
    if data.startswith(png.SIGNATURE):
        return png.png_size(data, max_pixels)
    if is_tiff(data):
        try:
            return tiff.tiff_size(data, max_pixels)
        except tiff.RawFileError:
            raise PictureError(f"picture '{name}' {RAW_ADVICE}") from None
    with open_added(data) or open_known(data, name) as opened:
        return opened.size


def is_tiff(data: bytes) -> bool:
    """Whether a file begins as a TIFF or a BigTIFF does."""
    return data.startswith(tiff.SIGNATURES)


def check_jpeg_xl(data: bytes, max_pixels: int) -> None:
    """Refuse a JPEG XL that is too large before its opener decodes it.

    Raises:
        Image.DecompressionBombError: it has more pixels than ``max_pixels``.
        ValueError: there is no picture in it.
    """
    if data.startswith(jpeg_xl.SIGNATURES):
        width, height, _ = jpeg_xl.jpeg_xl_header(data)
        if width * height > max_pixels:
            raise Image.DecompressionBombError
