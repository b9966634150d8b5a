"""Damaged pictures of every format: a clear line each time, no hang, no memory beyond the limit.

For a longer run see fuzzing.py.
"""

from __future__ import annotations

import json
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from torch import Tensor

from fuzzing import EDITS, FAST, Edit, edited, many, only_clear_lines, quiet
from helpers import Invoke, Pair, drawn
from impasto.images.reading import open_picture, photo_of
from impasto.images.writing import PictureMetadata, encoded
from impasto.storage.recipe import read_recipe, with_recipe

__all__ = ["quiet"]

MEGAPIXELS = 2.0

RECIPE = {
    "format": 1, "settings": {"content": "a"}, "inputs": {}, "versions": {}, "machine": {}, "steps": 1,
}  # fmt: skip


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def tiff(samples: Any, **options: Any) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def make_samples() -> dict[str, bytes]:
    """A small file of each kind that comes in, most with a profile, EXIF and XMP."""
    picture = drawn(40, 24, seed=1)
    deep = (numpy.arange(24 * 40 * 3, dtype=numpy.uint16) * 20).reshape(24, 40, 3)
    clear = picture.convert("RGBA")
    clear.putalpha(picture.convert("L"))
    turned = picture.transpose(Image.Transpose.ROTATE_180)
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x0112: 6})
    exif.get_ifd(0x8769).update({0x829A: (1, 125), 0x9286: b"ASCII\0\0\0words"})
    image = open_picture_of(picture)
    metadata = PictureMetadata(
        profile=imagecodecs.cms_profile("adobergb"),
        exif=exif.tobytes(),
        xmp=with_recipe(b"", RECIPE),
    )
    full = {"exif": exif, "icc_profile": metadata.profile}
    pillow = {
        "gif": saved(picture, "GIF", save_all=True, append_images=[turned]),
        "apng": saved(picture, "PNG", save_all=True, append_images=[turned]),
        "animated webp": saved(clear, "WEBP", save_all=True, append_images=[turned]),
        "palette png": saved(clear.quantize(8), "PNG", **full),
        "1-bit png": saved(picture.convert("1"), "PNG"),
        "gray png": saved(picture.convert("LA"), "PNG", **full),
        "cmyk jpeg": saved(picture.convert("CMYK"), "JPEG", **full),
        "progressive jpeg": saved(picture, "JPEG", progressive=True, **full),
        "mpo": saved(picture, "MPO", save_all=True, append_images=[picture]),
        "lossless webp": saved(clear, "WEBP", lossless=True, **full),
        "lzw tiff": saved(picture, "TIFF", compression="tiff_lzw", **full),
        "jpeg tiff": saved(picture, "TIFF", compression="jpeg", **full),
        "fax tiff": saved(picture.convert("1"), "TIFF", compression="group4"),
        "lab tiff": saved(lab(picture), "TIFF"),
        "bmp": saved(picture, "BMP"),
        "ico": saved(clear.resize((32, 32)), "ICO", sizes=[(32, 32)]),
        "icns": saved(clear.resize((32, 32)), "ICNS"),
        "ppm": saved(picture, "PPM"),
        "tga": saved(clear, "TGA", compression="tga_rle"),
        "jpeg 2000": saved(clear, "JPEG2000"),
        "avif": saved(clear, "AVIF", **full),
        "pcx": saved(picture, "PCX"),
        "sgi": saved(picture, "SGI"),
        "dds": saved(clear, "DDS"),
        "msp": saved(picture.convert("1"), "MSP"),
        "xbm": saved(picture.convert("1"), "XBM"),
        "qoi": imagecodecs.qoi_encode(numpy.asarray(clear)),
    }  # fmt: skip
    deeper = {
        "deep tiff": tiff(deep, photometric="rgb", compression="lzw", predictor=True),
        "float tiff": tiff((deep / 65535).astype("f4"), photometric="rgb", compression="zlib"),
        "tiled tiff": tiff(deep, photometric="rgb", tile=(16, 16)),
        "big tiff": tiff(deep, photometric="rgb", bigtiff=True),
        "packed tiff": tiff(deep[..., 0], compression="packbits"),
        "gray deep png": imagecodecs.png_encode(deep[..., 0].copy()),
        "deep jpeg 2000": imagecodecs.jpeg2k_encode(deep, level=0),
        "deep avif": imagecodecs.avif_encode(
            deep >> 6, level=90, bitspersample=10, primaries=12, transfer=13
        ),
        "deep ppm": b"P6 40 24 65535\n" + deep.astype(">u2").tobytes(),
    }
    ours = {
        f"our {kind} {depth}": encoded(kind, image, metadata, depth, 90)
        for kind, depth in [("PNG", 8), ("PNG", 16), ("JPEG", 8), ("WEBP", 8), ("TIFF", 8), ("TIFF", 16)]
    }  # fmt: skip
    return {name: bytes(data) for name, data in {**pillow, **deeper, **ours}.items()}


def open_picture_of(picture: Image.Image) -> Tensor:
    return photo_of(picture).image


def lab(picture: Image.Image) -> Image.Image:
    rgb, target = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(picture, rgb, target, outputMode="LAB")
    assert converted is not None
    return converted


SAMPLES = make_samples()


def with_right_sums(file: bytes) -> bytes:
    """A PNG whose chunks have the checksums that they should, so that damage comes further in."""
    if not file.startswith(b"\x89PNG"):
        return file
    parts, position = [file[:8]], 8
    while position + 12 <= len(file):
        (length,) = struct.unpack(">I", file[position : position + 4])
        body = file[position + 4 : position + 8 + length]
        if len(body) < 4 + length:
            break
        parts += [struct.pack(">I", length), body, struct.pack(">I", zlib.crc32(body))]
        position += 12 + length
    return b"".join(parts) + file[position:]


def attack(folder: Path, name: str, edits: list[Edit], sums: bool) -> None:
    file = edited(SAMPLES[name], edits)
    path = folder / "damaged"
    path.write_bytes(with_right_sums(file) if sums else file)
    only_clear_lines(lambda: open_picture(path, MEGAPIXELS))
    if name.startswith("our"):
        only_clear_lines(lambda: json.dumps(read_recipe(path)))


@pytest.mark.parametrize("name", SAMPLES)
def test_the_whole_files_come_in(tmp_path: Path, name: str) -> None:
    path = tmp_path / "whole"
    path.write_bytes(SAMPLES[name])
    photo = open_picture(path, MEGAPIXELS)
    assert min(photo.size) >= 24
    assert 0 <= photo.image.min() < photo.image.max() <= 1
    if name.startswith("our"):
        assert read_recipe(path) == RECIPE


@FAST
@given(name=st.sampled_from(sorted(SAMPLES)), edits=EDITS, sums=st.booleans())
def test_damaged_files(tmp_path: Path, name: str, edits: list[Edit], sums: bool) -> None:
    attack(tmp_path, name, edits, sums)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_many_damaged_files(tmp_path: Path, name: str) -> None:
    @many(1 / len(SAMPLES))
    @given(edits=EDITS, sums=st.booleans())
    def check(edits: list[Edit], sums: bool) -> None:
        attack(tmp_path, name, edits, sums)

    check()


@FAST
@given(data=st.binary(max_size=400), start=st.sampled_from([f[:16] for f in SAMPLES.values()]))
def test_noise_behind_a_good_beginning(tmp_path: Path, data: bytes, start: bytes) -> None:
    path = tmp_path / "noise"
    path.write_bytes(start + data)
    only_clear_lines(lambda: open_picture(path, MEGAPIXELS))


@FAST
@given(text=st.text(max_size=300))
def test_recipes_of_any_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.png"
    packet = with_recipe(b"", {}).replace(b"{}", text.encode("utf-8", "surrogatepass"))
    image = open_picture_of(drawn(24, 24, seed=1))
    path.write_bytes(encoded("PNG", image, PictureMetadata(xmp=packet), 8, 90))
    only_clear_lines(lambda: read_recipe(path))


def test_a_recipe_that_nests_without_end(tmp_path: Path, invoke: Invoke) -> None:
    path = tmp_path / "deep.png"
    packet = with_recipe(b"", {}).replace(b"{}", b"[" * 100_000)
    image = open_picture_of(drawn(24, 24, seed=1))
    path.write_bytes(encoded("PNG", image, PictureMetadata(xmp=packet), 8, 90))
    assert (
        invoke("show", path).error
        == f"impasto: error: the recipe in '{path}' is damaged: it nests too deeply"
    )


@pytest.mark.parametrize("name", ["our PNG 16", "our JPEG 8", "our WEBP 8", "our TIFF 16", "gif"])
def test_damaged_files_through_the_command_line(
    invoke: Invoke, pair: Pair, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "damaged"
    whole = SAMPLES[name]
    for place in numpy.linspace(0, len(whole) - 1, 12, dtype=int):
        path.write_bytes(whole[:place] + b"\xff\0\xff" + whole[place + 3 :])
        for command in (("show", path), ("rerun", path), ("run", path, path, "--size", 8)):
            done = invoke(*command)
            assert "bug in Impasto" not in done.err
            assert "Traceback" not in done.err
            assert done.status in (0, 1)
