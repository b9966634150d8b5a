"""What Pillow opens: the formats of its own that are read here, those of extras, and those of plugins."""

from __future__ import annotations

import importlib
import logging
from dataclasses import replace
from io import BytesIO

import numpy
from PIL import Image, UnidentifiedImageError

from impasto.errors import PictureError
from impasto.images.code_points import nclx_of, profile_of_code_points
from impasto.images.deep_formats import deep_samples
from impasto.images.icc import ColorModel, Samples
from impasto.images.jpeg_xl import SIGNATURES as JPEG_XL_SIGNATURES
from impasto.images.jpeg_xl import decode_jpeg_xl, jpeg_xl_header
from impasto.images.metadata import upright_xmp
from impasto.images.samples import (
    ORIENTATION,
    DecodedImage,
    image_of_samples,
    normalized,
    normalized_floats,
)

FORMATS = (
    "AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF", "ICNS", "ICO",
    "IM", "IMT", "JPEG", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX", "PIXAR", "PPM", "PSD", "QOI", "SGI",
    "SPIDER", "SUN", "TGA", "TIFF", "WEBP", "XBM", "XPM", "XVTHUMB",
)  # fmt: skip
"""Formats of Pillow's own that are read. EPS and WMF are drawn by running a program, IPTC opens what is in it
in any format, and the others hold no pictures that Pillow itself decodes."""

HEIC_BRANDS = b"heic heix heim heis hevc hevx hevm hevs mif1 msf1".split()
RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
"""Raw files of Fujifilm, Olympus, Panasonic, Sigma and Minolta; most others are TIFFs."""
RAW_ADVICE = "is a camera's raw file; develop it to TIFF or PNG first, for example with darktable"

logger = logging.getLogger("impasto")


def added_formats() -> list[str]:
    """Formats that something else than Pillow has registered, by now."""
    Image.init()
    return [
        kind for kind, (opener, _) in Image.OPEN.items()
        if not getattr(opener, "__module__", "").startswith("PIL.")
    ]  # fmt: skip


def open_added(data: bytes) -> Image.Image | None:
    """The picture if it is in a format of a plugin or an extra; these come before those of Pillow."""
    try:
        return Image.open(BytesIO(data), formats=formats) if (formats := added_formats()) else None
    except UnidentifiedImageError:
        return None


def open_known(data: bytes, name: str) -> Image.Image:
    """The picture in a format of Pillow's own, or of an extra, which is loaded if it is there.

    Raises:
        PictureError: a camera's raw file, or a format of an extra that is not installed.
        UnidentifiedImageError: no format that is known.
    """
    if data.startswith(RAW_STARTS) or data[4:12] == b"ftypcrx ":
        raise PictureError(f"picture '{name}' {RAW_ADVICE}")
    try:
        Image.init()
        return Image.open(BytesIO(data), formats=[kind for kind in FORMATS if kind in Image.OPEN])
    except UnidentifiedImageError:
        load_extra(data, name)
        opened = open_added(data)
        if opened is None:
            raise
        return opened


def load_extra(data: bytes, name: str) -> None:
    """Register the opener of an extra, if the data are in its format.

    Raises:
        PictureError: the extra is not installed.
    """
    if data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS:
        kind, extra, module, package = "HEIC", "heif", "pillow_heif", "pillow-heif"
    elif data.startswith(JPEG_XL_SIGNATURES):
        kind, extra, module, package = "JPEG XL", "jxl", "pillow_jxl", "pillow-jxl-plugin"
    else:
        return
    try:
        loaded = importlib.import_module(module)
    except ImportError:
        raise PictureError(
            f"picture '{name}' is {kind}, which needs the package {package}:"
            f" pip install 'impasto[{extra}]'"
        ) from None
    # pillow_jxl registers itself when it is imported.
    getattr(loaded, "register_heif_opener", lambda: None)()


def decode_opened(picture: Image.Image, name: str, data: bytes = b"") -> DecodedImage:
    """A picture that Pillow has opened, or that is in memory.

    Args:
        picture: not loaded yet, or loaded.
        name: of the picture, for the log.
        data: the file, if there is one.

    Raises:
        ValueError: a mode that cannot be read as colors.
        Exception: it is damaged.
    """
    # A photograph of several parts (MPO) is one picture to a viewer.
    several = getattr(picture, "is_animated", False) and picture.format != "MPO"
    if several or (picture.format == "JXL" and jpeg_xl_header(data)[2]):
        logger.info("picture '%s' has several frames; the first one is used", name)
    picture.load()
    exif, info = picture.getexif(), picture.info
    # Pillow turns some TIFFs while it loads them, and takes the orientation out of their EXIF then.
    if picture.format == "JXL" and not getattr(picture, "jpeg", True):
        image = decode_jpeg_xl(data, name)
        exif[ORIENTATION] = 1
    else:
        deep = deep_samples(picture, data, name) if data else None
        image = samples_of(picture, name) if deep is None else deep
    profile = info.get("icc_profile") or _profile_of_nclx(picture, data, image.color_model, name)
    return replace(image, exif=exif, xmp=upright_xmp(info.get("xmp")), profile=profile)


def _profile_of_nclx(
    picture: Image.Image, data: bytes, color_model: ColorModel, name: str
) -> bytes | None:
    """What AVIF and HEIC say of their colors without a profile, as a profile."""
    told: dict[str, int] = picture.info.get("nclx_profile") or {}
    found = (told.get("color_primaries", 2), told.get("transfer_characteristics", 2))
    if picture.format == "AVIF":
        found = nclx_of(data) or found
    return profile_of_code_points(*found, color_model, name)


def samples_of(picture: Image.Image, name: str) -> DecodedImage:
    """The samples of a picture in memory, without what else it has.

    Raises:
        ValueError: a mode that cannot be read as colors.
    """
    if picture.mode.startswith("I") or picture.mode == "F":
        return _deep(picture, name)
    if picture.has_transparency_data:
        straight = "LA" if picture.mode in ("L", "LA", "La") else "RGBA"
        return image_of_samples(_levels(picture, straight), "gray" if straight == "LA" else "rgb")
    mode = picture.mode if picture.mode in ("L", "CMYK", "LAB") else "RGB"
    mode = "L" if picture.mode == "1" else mode
    color_models: dict[str, ColorModel] = {"L": "gray", "CMYK": "cmyk", "LAB": "lab", "RGB": "rgb"}
    return image_of_samples(_levels(picture, mode), color_models[mode])


def _levels(picture: Image.Image, mode: str) -> Samples:
    # Pillow's conversion to the same mode is a copy.
    converted = picture if picture.mode == mode else picture.convert(mode)
    return normalized(numpy.atleast_3d(numpy.asarray(converted)), 255)


def _deep(picture: Image.Image, name: str) -> DecodedImage:
    """Gray of more than 8 bits. Integers of any depth are read to 16 bits by Pillow."""
    values = numpy.asarray(picture)
    scaled = values if picture.mode == "F" else values.astype(numpy.float32) / 65535
    image = image_of_samples(normalized_floats(scaled, name)[..., None], "gray")
    key = picture.info.get("transparency")
    if not isinstance(key, int):
        return image
    return replace(image, alpha=(values != key).astype(numpy.float32))
