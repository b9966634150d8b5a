"""Reading pictures: from files of every kind to sRGB, upright, as a viewer shows them.

Pillow reads most formats. It reduces colors of 16 bits to 8, so PNG, TIFF and JPEG XL are read by imagecodecs
(libpng, libjxl) and tifffile, which keep what the file has; colors are converted by LittleCMS through
imagecodecs, because Pillow gives it 8 bits.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from impasto.errors import PictureError
from impasto.images.decoding import decode, size_in, xmp_in
from impasto.images.icc import Samples, converter_to_srgb, embeddable
from impasto.images.metadata import kept_exif
from impasto.images.pillow_formats import decode_opened
from impasto.images.samples import ORIENTATION, DecodedImage, bands
from impasto.images.transparency import spread

SMALLEST_SIDE = 16
"""A picture with a shorter side, in pixels, is refused."""

MAX_MEGAPIXELS = 200.0
"""A picture with more millions of pixels is refused unless the user raises the limit."""

LARGEST_PIXEL = 64
"""A file with more bytes a pixel than this, at the limit, is no picture: four channels of 64 bits, twice."""

logger = logging.getLogger("impasto")
_pillow = threading.RLock()


@dataclass(frozen=True)
class Photo:
    """A picture as it was read, with what a photographer wants to keep."""

    image: Tensor
    """(1, 3, H, W) float32 sRGB in [0, 1]; where it is transparent, colors from around."""
    alpha: Tensor | None = None
    """(1, 1, H, W) float32 in [0, 1]; None where all is opaque."""
    profile: bytes | None = None
    """Its ICC profile if results can be written in it, that is one of RGB."""
    exif: bytes = b""
    """EXIF as a TIFF block, as it was in the file."""
    xmp: bytes = b""
    """XMP packet, as it was in the file."""
    checksum: str = ""
    """SHA-256 of the file that it was read from; empty for a picture in memory."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.image.shape[3], self.image.shape[2]

    @property
    def picture(self) -> Image.Image:
        """Its colors as a picture of Pillow, RGB, 8 bits."""
        levels = self.image[0].mul(255).round().to(torch.uint8).permute(1, 2, 0)
        return Image.fromarray(levels.contiguous().numpy(), "RGB")


def open_picture(
    path: str | os.PathLike[str],
    max_megapixels: float = MAX_MEGAPIXELS,
    smallest_side: int = SMALLEST_SIDE,
) -> Photo:
    """Read a picture file.

    Args:
        path: a PNG, TIFF, JPEG or WebP, or of another format that Pillow reads without running a
            program, or that a plugin or an extra has added to Pillow.
        max_megapixels: pixels that it may have, in millions, against decompression bombs.
        smallest_side: pixels that each side has to have.

    Raises:
        PictureError: no such file, not a picture, cut short, too small or too large.
    """
    data = _contents(path, max_megapixels)
    with _clear_lines(path, max_megapixels), _pillow_limits(max_megapixels):
        decoded = decode(data, str(path), int(max_megapixels * 1e6))
        photo = _photo(decoded, str(path), smallest_side)
    return replace(photo, checksum=hashlib.sha256(data).hexdigest())


def check_picture(
    path: str | os.PathLike[str],
    max_megapixels: float = MAX_MEGAPIXELS,
    smallest_side: int = SMALLEST_SIDE,
) -> None:
    """Refuse what :func:`open_picture` would, as far as that is seen without decoding the pixels.

    Raises:
        PictureError: no such file, not a picture, too small or too large.
    """
    data = _contents(path, max_megapixels)
    with _clear_lines(path, max_megapixels), _pillow_limits(max_megapixels):
        refuse_small(str(path), *size_in(data, str(path), int(max_megapixels * 1e6)), smallest_side)


def refuse_small(name: str, width: int, height: int, smallest_side: int) -> None:
    """Refuse a picture with a side that is too short.

    Raises:
        PictureError: with its size.
    """
    if min(width, height) < smallest_side:
        raise PictureError(
            f"picture '{name}' is {width} × {height} pixels; each side needs at least {smallest_side}"
        )


@contextmanager
def _clear_lines(path: str | os.PathLike[str], max_megapixels: float) -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"'{path}' is not a picture in a format that is read") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_large(path, max_megapixels) from None
    except MemoryError:
        raise PictureError(f"picture '{path}' does not fit into memory") from None
    # Whatever a decoder raises on a damaged file becomes one line.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"picture '{path}' cannot be read: {reason}") from None


def largest_file(max_megapixels: float) -> float:
    """Bytes of the largest file that can be a picture within the limit."""
    return max_megapixels * 1e6 * LARGEST_PIXEL


def read_xmp(path: str | os.PathLike[str], max_megapixels: float = MAX_MEGAPIXELS) -> bytes:
    """The XMP packet of a picture file, without its pixels.

    Raises:
        PictureError: no such file, or not a picture.
    """
    data = _contents(path, max_megapixels)
    with _clear_lines(path, max_megapixels), _pillow_limits(max_megapixels):
        return xmp_in(data, str(path), int(max_megapixels * 1e6))


def photo_of(picture: Image.Image, name: str = "in memory") -> Photo:
    """A picture of Pillow as a :class:`Photo`, treated like one from a file.

    Raises:
        PictureError: too small, or transparent all over.
    """
    with _pillow_limits(None):
        return _photo(decode_opened(picture, name), name)


def upright(samples: Samples, orientation: object) -> Samples:
    """Rows and columns turned as EXIF's orientation says; other values than 2 to 8 leave them.

    Args:
        samples: (H, W, …).
        orientation: the value of EXIF's tag 0x0112.
    """
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _contents(path: str | os.PathLike[str], max_megapixels: float) -> bytes:
    try:
        # Opening a pipe may wait forever, and opening a device may have effects.
        if not stat.S_ISREG(os.stat(path).st_mode):
            what = "a folder" if os.path.isdir(path) else "not a file"
            raise PictureError(f"picture '{path}' is {what}")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > largest_file(max_megapixels):
                raise _too_large(path, max_megapixels)
            # Files that the system generates, as in /proc, have no size.
            data = file.read(size)
    except FileNotFoundError:
        raise PictureError(f"picture '{path}' does not exist") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"picture '{path}' cannot be read: {reason}") from None
    if not data:
        raise PictureError(f"picture '{path}' is empty")
    return data


def _photo(decoded: DecodedImage, name: str, smallest_side: int = SMALLEST_SIDE) -> Photo:
    profile = decoded.profile or None
    turned = decoded.exif.get(ORIENTATION)
    samples = upright(decoded.samples, turned)
    height, width = samples.shape[:2]
    refuse_small(name, width, height, smallest_side)
    image = _tensor(samples, converter_to_srgb(decoded.color_model, profile, name))
    alpha = None
    if decoded.alpha is not None and not (decoded.alpha == 1).all():
        if not decoded.alpha.any():
            raise PictureError(f"picture '{name}' is transparent all over")
        alpha = _tensor(upright(decoded.alpha, turned)[..., None])
        image = spread(image, alpha)
    return Photo(image, alpha, embeddable(profile), kept_exif(decoded.exif, name), decoded.xmp)


def _tensor(samples: Samples, convert: Callable[[Samples], Samples] = lambda rows: rows) -> Tensor:
    """(H, W, C) as (1, C, H, W) float32, converted band by band: what is between takes little memory."""
    image: Tensor | None = None
    for rows in bands(len(samples)):
        plain = numpy.ascontiguousarray(convert(samples[rows]), dtype=numpy.float32)
        if image is None:
            image = torch.empty(1, plain.shape[2], *samples.shape[:2])
        image[0, :, rows] = torch.from_numpy(plain).permute(2, 0, 1)
    assert image is not None
    return image


@contextmanager
def _pillow_limits(max_megapixels: float | None) -> Iterator[None]:
    """Let Pillow refuse larger pictures, and keep decoders' warnings from standard error."""
    with _pillow, warnings.catch_warnings():
        before = Image.MAX_IMAGE_PIXELS
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = int(max_megapixels * 1e6) if max_megapixels else before
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _too_large(path: str | os.PathLike[str], max_megapixels: float) -> PictureError:
    return PictureError(
        f"picture '{path}' has more than {max_megapixels:g} million pixels, or claims to;"
        " set max_megapixels higher to allow it",
        settings=("max_megapixels",),
    )
