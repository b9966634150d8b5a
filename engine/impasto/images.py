"""Pictures in and out: files ↔ tensors (1, 3, H, W), sRGB in [0, 1]."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import interpolate

from impasto.errors import PictureError, unknown

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tiff": "TIFF",
    ".tif": "TIFF",
}
"""Formats that a result can be written in, by the file's suffix."""

SMALLEST_SIDE = 16
"""A picture with a shorter side, in pixels, is refused."""


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """Read a picture whole, upright, as RGB. Transparent pixels are laid on white.

    Raises:
        PictureError: no such file, not a picture, cut short, or too small.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                opened.load()
                picture = upright_rgb(opened)
    except FileNotFoundError:
        raise PictureError(f"picture '{path}' does not exist") from None
    except IsADirectoryError:
        raise PictureError(f"picture '{path}' is a folder") from None
    except UnidentifiedImageError:
        raise PictureError(f"'{path}' is not a picture in a format that Pillow reads") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PictureError(f"picture '{path}' cannot be read: {error}") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise PictureError(f"picture '{path}' is too large to be read safely") from None
    if min(picture.size) < SMALLEST_SIDE:
        width, height = picture.size
        raise PictureError(
            f"picture '{path}' is {width} × {height} pixels; each side needs at least {SMALLEST_SIDE}"
        )
    return picture


def to_tensor(picture: Image.Image) -> Tensor:
    """An RGB picture as (1, 3, H, W) float32 sRGB in [0, 1]."""
    levels = torch.from_numpy(numpy.array(picture))
    return levels.permute(2, 0, 1).unsqueeze(0).float().div(255).contiguous()


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
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as file:
            part = Path(file.name)
        try:
            picture.save(part, kind, **quality)
            part.chmod(0o666 & ~umask())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise PictureError(f"'{path}' cannot be written: {error.strerror or error}") from None


def upright_rgb(picture: Image.Image) -> Image.Image:
    """The picture as a viewer shows it: turned as its EXIF says, in RGB, laid on white."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    if picture.mode.startswith("I;16") or picture.mode == "I":
        wide = numpy.asarray(picture).astype(numpy.float64) / 65535
        return Image.fromarray((wide.clip(0, 1) * 255).round().astype(numpy.uint8)).convert("RGB")
    return picture.convert("RGB")


def umask() -> int:
    """Rights that new files are not given, as the user set them."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
