"""EXIF and XMP: which metadata of the content picture the result keeps."""

from __future__ import annotations

import logging
import re

from PIL import ExifTags, Image

KEPT = (
    *(0x010D, 0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298),
    *(0x011A, 0x011B, 0x0128, 0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),
)
"""Tags of the first directory that describe a picture: names, camera, software, dates, people, rights,
resolution, rating. Others say how a file stores its pixels, or how it has to be turned."""
DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
"""Directories that are kept whole. The one with the thumbnail is not: it shows the old picture."""
WIDTH, HEIGHT = ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight

logger = logging.getLogger("impasto")


def kept_exif(exif: Image.Exif, name: str) -> bytes:
    """EXIF for a result: without orientation, thumbnail and how the old file was laid out.

    Args:
        exif: as Pillow read it.
        name: of the picture, for the log.

    Returns:
        A TIFF block behind the word Exif, or nothing where there is nothing to keep.
    """
    try:
        kept = Image.Exif()
        kept.update({tag: exif[tag] for tag in KEPT if tag in exif})
        for directory in DIRECTORIES:
            if values := exif.get_ifd(directory):
                kept.get_ifd(directory).update(values)
                kept[directory] = dict(values)
        return kept.tobytes() if len(kept) else b""
    except Exception as error:
        logger.warning("the EXIF of picture '%s' is damaged and left out: %s", name, error)
        return b""


def exif_for(exif: bytes, width: int, height: int) -> bytes:
    """The EXIF with the size of a result, pixels."""
    if not exif:
        return b""
    sized = Image.Exif()
    sized.load(exif)
    directory = sized.get_ifd(ExifTags.IFD.Exif)
    if WIDTH in directory or HEIGHT in directory:
        directory.update({WIDTH: width, HEIGHT: height})
    return sized.tobytes()


def upright_xmp(value: object) -> bytes:
    """An XMP packet as it came, upright: its orientation is set to 1."""
    packet = value.encode() if isinstance(value, str) else value
    if not isinstance(packet, bytes):
        return b""
    packet = re.sub(rb"(tiff:Orientation\s*=\s*[\"'])\d+", rb"\g<1>1", packet)
    return re.sub(rb"(<tiff:Orientation>\s*)\d+", rb"\g<1>1", packet)
