"""Reading pictures: from files of every kind to sRGB, upright, as a viewer shows them.

Pillow reads nearly all. It reduces color of 16 bits to 8, so PNG and TIFF that are deeper are read by
imagecodecs (libpng) and tifffile, which keep what the file has; colors are converted by LittleCMS
through imagecodecs, because Pillow's door to it has 8 bits.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO

import numpy
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from impasto.errors import PictureError
from impasto.images.decoding import Raster, deep_png, deep_tiff, raster_of
from impasto.images.icc import Samples, embeddable, to_srgb
from impasto.images.metadata import kept_exif, xmp_of
from impasto.images.transparency import spread

SMALLEST_SIDE = 16
"""A picture with a shorter side, in pixels, is refused."""

MAX_MEGAPIXELS = 200.0
"""A picture with more millions of pixels is refused unless the user raises the limit."""

LARGEST_PIXEL = 64
"""A file with more bytes a pixel than this, at the limit, is no picture: four channels of 64 bits, twice."""

EXECUTES = ("EPS", "WMF")
"""Formats of Pillow that are drawn by running a program: they stay closed."""

ORIENTATION = 0x0112

logger = logging.getLogger("impasto")
_pillow = threading.RLock()


@dataclass(frozen=True)
class Photo:
    """A picture as it was read, with what a photographer wants to keep."""

    image: Tensor
    """(1, 3, H, W) float32 sRGB in [0, 1]; where it is transparent, colors spread from beside."""
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


def open_picture(path: str | os.PathLike[str], max_megapixels: float = MAX_MEGAPIXELS) -> Photo:
    """Read a picture file.

    Args:
        path: a file in any format of Pillow that is not drawn by running a program.
        max_megapixels: pixels that it may have, in millions, against decompression bombs.

    Raises:
        PictureError: no such file, not a picture, cut short, too small or too large.
    """
    data = _contents(path, max_megapixels)
    with _clear_lines(path, max_megapixels):
        photo = _decoded(data, str(path), max_megapixels)
    return replace(photo, checksum=hashlib.sha256(data).hexdigest())


@contextmanager
def _clear_lines(path: str | os.PathLike[str], max_megapixels: float) -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"'{path}' is not a picture in a format that Pillow reads") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_large(path, max_megapixels) from None
    except MemoryError:
        raise PictureError(f"picture '{path}' does not fit into memory") from None
    # Whatever a decoder raises on a damaged file is said as one line.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"picture '{path}' cannot be read: {reason}") from None


def read_xmp(path: str | os.PathLike[str], max_megapixels: float = MAX_MEGAPIXELS) -> bytes:
    """The XMP packet of a picture file, without its pixels.

    Raises:
        PictureError: no such file, or not a picture.
    """
    data = _contents(path, max_megapixels)
    with (
        _clear_lines(path, max_megapixels),
        _pillow_limits(max_megapixels),
        Image.open(BytesIO(data), formats=_formats()) as opened,
    ):
        return xmp_of(opened.info.get("xmp"))


def photo_of(picture: Image.Image, name: str = "in memory") -> Photo:
    """A picture of Pillow as a :class:`Photo`, treated like one from a file.

    Raises:
        PictureError: too small, or transparent all over.
    """
    with _pillow_limits(None):
        return _from_pillow(picture, name)


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
    most = int(max_megapixels * 1e6 * LARGEST_PIXEL)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise PictureError(f"picture '{path}' is a folder")
        if not stat.S_ISREG(mode):
            raise PictureError(f"picture '{path}' is not a file")
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        raise PictureError(f"picture '{path}' does not exist") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"picture '{path}' cannot be read: {reason}") from None
    if len(data) > most:
        raise _too_large(path, max_megapixels)
    return data


def _decoded(data: bytes, name: str, max_megapixels: float) -> Photo:
    with _pillow_limits(max_megapixels):
        raster = deep_tiff(data, int(max_megapixels * 1e6))
        if raster is not None:
            exif, tags = _exif_of_tiff(data), raster.tags
            exif[ORIENTATION] = tags.get(ORIENTATION, 1)
            return _photo(raster, exif, xmp_of(tags.get(700)), tags.get(34675), name)
        with Image.open(BytesIO(data), formats=_formats()) as opened:
            # A photograph of several parts (MPO) is one picture to a viewer.
            if getattr(opened, "is_animated", False) and opened.format != "MPO":
                logger.info("picture '%s' has several frames; the first one is used", name)
            raster = deep_png(opened, data)
            if raster is None:
                return _from_pillow(opened, name)
            exif, xmp = opened.getexif(), xmp_of(opened.info.get("xmp"))
            return _photo(raster, exif, xmp, opened.info.get("icc_profile"), name)


def _exif_of_tiff(data: bytes) -> Image.Exif:
    exif = Image.Exif()
    # Pillow reads no directories of BigTIFF outside its own reader.
    if data[2:4] in (b"*\0", b"\0*"):
        exif.load(data)
    return exif


def _from_pillow(picture: Image.Image, name: str) -> Photo:
    picture.load()
    exif, info = picture.getexif(), picture.info
    # Pillow turns some TIFFs while it loads them, and takes the orientation out of their EXIF then.
    raster = raster_of(picture)
    return _photo(raster, exif, xmp_of(info.get("xmp")), info.get("icc_profile"), name)


def _photo(raster: Raster, exif: Image.Exif, xmp: bytes, profile: object, name: str) -> Photo:
    profile = profile if isinstance(profile, bytes) and profile else None
    turned = exif.get(ORIENTATION)
    samples = upright(raster.samples, turned)
    height, width = samples.shape[:2]
    if min(width, height) < SMALLEST_SIDE:
        raise PictureError(
            f"picture '{name}' is {width} × {height} pixels; each side needs at least {SMALLEST_SIDE}"
        )
    image = _tensor(to_srgb(samples, raster.space, profile, name))
    alpha = None if raster.alpha is None else _tensor(upright(raster.alpha, turned)[..., None])
    if alpha is not None and not alpha.any():
        raise PictureError(f"picture '{name}' is transparent all over")
    if alpha is None or bool((alpha == 1).all()):
        alpha = None
    else:
        image = spread(image, alpha)
    return Photo(image, alpha, embeddable(profile), kept_exif(exif, name), xmp)


def _tensor(samples: Samples) -> Tensor:
    plain = numpy.ascontiguousarray(samples, dtype=numpy.float32)
    return torch.from_numpy(plain).permute(2, 0, 1).unsqueeze(0).contiguous()


def _formats() -> list[str]:
    Image.init()
    return [kind for kind in Image.OPEN if kind not in EXECUTES]


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
        " --max-megapixels allows more"
    )
