"""Pictures in and out: files ↔ tensors (1, 3, H, W), sRGB in [0, 1]."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from impasto.errors import PictureError, unknown
from impasto.reading import MAX_MEGAPIXELS, Photo, open_picture, photo_of

__all__ = [
    "MAX_MEGAPIXELS",
    "Photo",
    "check_output",
    "fitted",
    "open_picture",
    "photo_of",
    "resized",
    "save",
    "to_picture",
    "to_tensor",
]

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tiff": "TIFF",
    ".tif": "TIFF",
}
"""Formats that a result can be written in, by the file's suffix."""


def to_tensor(picture: Photo | Image.Image) -> Tensor:
    """A picture as (1, 3, H, W) float32 sRGB in [0, 1]."""
    return picture.image if isinstance(picture, Photo) else photo_of(picture).image


def to_picture(image: Tensor) -> Image.Image:
    """(1, 3, H, W) sRGB as an 8-bit RGB picture; values are clipped to [0, 1] and rounded."""
    levels = image.detach()[0].clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return Image.fromarray(numpy.ascontiguousarray(levels.permute(1, 2, 0).numpy()), "RGB")


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """The picture at another size, with antialiasing, clipped to [0, 1].

    Args:
        image: (1, 3, H, W).
        height: pixels, 1 or more.
        width: pixels, 1 or more.
    """
    if image.shape[-2:] == (height, width):
        return image
    cubic = interpolate(image, (height, width), mode="bicubic", antialias=True)
    return cubic.clamp(0, 1)


def fitted(width: int, height: int, size: int, side: str = "longer") -> tuple[int, int]:
    """Width and height of a picture of that shape whose longer (or shorter) side is ``size``."""
    scale = size / (max(width, height) if side == "longer" else min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def check_output(
    path: Path, force: bool, inputs: Sequence[str] = (), suffixes: Iterable[str] = tuple(SUFFIXES)
) -> None:
    """Refuse, before any work, an output that could not be written.

    Raises:
        PictureError: an unknown suffix, a folder that does not exist or cannot be written to, one
            of the ``inputs``, or a file that exists while ``force`` is not set.
    """
    if path.suffix.lower() not in suffixes:
        raise PictureError(f"output '{path}': {unknown('suffix', path.suffix, suffixes)}")
    if path.is_dir():
        raise PictureError(f"output '{path}' is a folder")
    if not path.parent.is_dir():
        raise PictureError(f"output folder '{path.parent}' does not exist")
    if not os.access(path.parent, os.W_OK):
        raise PictureError(f"output folder '{path.parent}' cannot be written to")
    if any(path.resolve() == Path(given).resolve() for given in inputs):
        raise PictureError(f"output '{path}' is one of the inputs")
    if path.exists() and not force:
        raise PictureError(f"output '{path}' exists; --force overwrites it")


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix, to a temporary file that is then renamed.

    Raises:
        PictureError: it cannot be written; what stood there before is still there.
    """
    kind = SUFFIXES[path.suffix.lower()]
    quality = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}.get(kind, {})
    with written_whole(path) as part:
        picture.save(part, kind, **quality)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path``, renamed to it at the end; removed if writing fails.

    Raises:
        PictureError: it cannot be written; what stood there before is still there.
    """
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.stem}.", suffix=f".part{path.suffix}", delete=False
        ) as file:
            part = Path(file.name)
        try:
            yield part
            part.chmod(0o666 & ~umask())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise PictureError(f"'{path}' cannot be written: {error.strerror or error}") from None


def umask() -> int:
    """Rights that new files are not given, as the user set them."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
