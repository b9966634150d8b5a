"""Pictures out: what a photographer expects in the file, and whole files only."""

from __future__ import annotations

import errno
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy
import pytest
import tifffile
import torch
from PIL import ExifTags, Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from helpers import Invoke, Pair, drawn
from impasto.files.whole import written_whole
from impasto.images import writing
from impasto.images.reading import open_picture
from impasto.images.writing import PictureMetadata, write_picture

UNTOUCHED = ("--loss", "tv:weight=0", "--steps", 1, "--size", "original", "--init", "content")
"""Options of a run that gives the content picture back as it was read."""
SUFFIXES = ("png", "jpg", "webp", "tiff")
ADOBE = imagecodecs.cms_profile("adobergb")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' tiff:Orientation="6"><dc:rights>A. Painter</dc:rights></rdf:Description></rdf:RDF></x:xmpmeta>'
)


def photograph(path: Path) -> None:
    """A picture with what cameras and photographers put into one, lying on its side."""
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x8298: "A. Painter", 0x0112: 6})
    exif.get_ifd(ExifTags.IFD.Exif).update({0x829A: IFDRational(1, 125), 0xA002: 48, 0xA003: 64})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (48.0, 31.0, 12.0)})
    drawn(48, 64, seed=8).save(path, exif=exif, xmp=XMP, icc_profile=ADOBE, quality=95)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_photographers_put_in_is_carried_over(
    invoke: Invoke, pair: Pair, tmp_path: Path, suffix: str
) -> None:
    photo, out = tmp_path / "photo.jpg", tmp_path / f"out.{suffix}"
    photograph(photo)
    done = invoke("run", photo, pair.style, "-o", out, *UNTOUCHED, "--size", 32)
    assert done.status == 0, done.err
    with Image.open(out) as picture:
        assert picture.size == (32, 24)
        exif, camera = picture.getexif(), picture.getexif().get_ifd(ExifTags.IFD.Exif)
        assert exif[0x010F] == "Maker"
        assert exif[0x8298] == "A. Painter"
        assert exif.get(0x0112, 1) == 1
        assert camera[0x829A] == pytest.approx(1 / 125)
        assert (camera[0xA002], camera[0xA003]) == (32, 24)
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[2] == (48.0, 31.0, 12.0)
        assert b"<dc:rights>A. Painter</dc:rights>" in picture.info["xmp"]
        assert b'tiff:Orientation="1"' in picture.info["xmp"]
        assert picture.info["icc_profile"] == ADOBE


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_colors_look_the_same_in_the_contents_profile(
    invoke: Invoke, pair: Pair, tmp_path: Path, suffix: str
) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / f"out.{suffix}"
    Image.new("RGB", (40, 24), (120, 150, 80)).save(photo, icc_profile=ADOBE)
    assert invoke("run", photo, pair.style, "-o", out, *UNTOUCHED).status == 0
    with Image.open(out) as picture:
        levels = numpy.asarray(picture.convert("RGB"), dtype=int)
    # WebP keeps color at half the resolution, in limited range.
    assert abs(levels - [120, 150, 80]).max() <= (4 if suffix == "webp" else 1)
    assert torch.allclose(open_picture(out).image, open_picture(photo).image, atol=0.02)


def test_srgb_is_embedded_where_the_content_has_no_profile(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    for suffix in SUFFIXES:
        out = tmp_path / f"out.{suffix}"
        assert invoke("run", pair.content, pair.style, "-o", out, *UNTOUCHED).status == 0
        with Image.open(out) as picture:
            profile = ImageCms.ImageCmsProfile(BytesIO(picture.info["icc_profile"]))
            assert "sRGB" in ImageCms.getProfileDescription(profile)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_sixteen_bits_come_from_the_float_canvas(
    invoke: Invoke, pair: Pair, tmp_path: Path, suffix: str, mode: str
) -> None:
    content, out = tmp_path / "deep.png", tmp_path / f"out.{suffix}"
    random = numpy.random.default_rng(1)
    deep = random.integers(0, 65536, (24, 40, len(mode)), dtype=numpy.uint16)
    deep[0, 0] = 65535
    if mode == "RGBA":
        deep[..., 3] = numpy.where(numpy.arange(40) < 20, 65535, 30000)
    content.write_bytes(imagecodecs.png_encode(deep))
    done = invoke("run", content, pair.style, "-o", out, *UNTOUCHED, "--depth", 16)
    assert done.status == 0, done.err
    read = imagecodecs.png_decode if suffix == "png" else lambda data: tifffile.imread(out)
    written = read(out.read_bytes())
    assert written.dtype == numpy.uint16
    opaque = (slice(None), slice(0, 20))
    assert numpy.array_equal(written[opaque], deep[opaque])
    if mode == "RGBA":
        assert numpy.array_equal(written[..., 3], deep[..., 3])
    with Image.open(out) as seen:
        assert seen.mode == mode
        seen.load()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("height", [24, 600])
def test_a_tiff_too_large_for_places_of_32_bits_is_a_big_tiff(
    invoke: Invoke,
    pair: Pair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    height: int,
) -> None:
    content, plain, big = tmp_path / "a.png", tmp_path / "plain.tiff", tmp_path / "big.tiff"
    pixels = numpy.random.default_rng(1).integers(0, 256, (height, 40, len(mode)), numpy.uint8)
    exif = Image.Exif()
    exif[0x8298] = "A. Painter"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    Image.fromarray(pixels).save(content, exif=exif)
    for out in (plain, big):
        if out is big:
            monkeypatch.setattr(writing, "MOST_IN_TIFF", 100)
        done = invoke("run", content, pair.style, "-o", out, *UNTOUCHED)
        assert done.status == 0, done.err
    with tifffile.TiffFile(plain) as one, tifffile.TiffFile(big) as other:
        assert (one.is_bigtiff, other.is_bigtiff) == (False, True)
        assert numpy.array_equal(one.asarray(), other.asarray())
    with Image.open(plain) as one, Image.open(big) as other:
        assert numpy.array_equal(numpy.asarray(one), numpy.asarray(other))
        assert other.info["icc_profile"] == one.info["icc_profile"]
        assert dict(other.getexif())[0x8298] == "A. Painter"
        assert other.getexif().get_ifd(0x8769) == one.getexif().get_ifd(0x8769)
    assert torch.equal(open_picture(plain).image, open_picture(big).image)
    shown = invoke("show", big)
    assert shown.status == 0, shown.err


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_alpha_of_the_content_is_kept(
    invoke: Invoke, pair: Pair, tmp_path: Path, suffix: str
) -> None:
    content, out = tmp_path / "cut.png", tmp_path / f"out.{suffix}"
    picture = drawn(64, 48, seed=2).convert("RGBA")
    picture.paste((255, 0, 0, 0), (0, 0, 32, 48))
    picture.save(content)
    done = invoke("run", content, pair.style, "-o", out, *UNTOUCHED, "--size", 32)
    assert done.status == 0, done.err
    with Image.open(out) as result:
        assert (result.mode, result.size) == ("RGBA", (32, 24))
        alpha = numpy.asarray(result)[..., 3]
    assert (alpha[:, :14] == 0).all()
    assert (alpha[:, 18:] == 255).all()


def test_jpeg_lays_alpha_on_white_and_says_so(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    content, out = tmp_path / "cut.png", tmp_path / "out.jpg"
    picture = Image.new("RGBA", (64, 48), (0, 0, 80, 255))
    picture.paste((255, 0, 0, 0), (0, 0, 32, 48))
    picture.save(content)
    done = invoke("run", content, pair.style, "-o", out, *UNTOUCHED)
    assert "JPEG has no transparency: the picture is laid on white" in done.err
    with Image.open(out) as result:
        levels = numpy.asarray(result).astype(int)
    assert (levels[:, :24] > 250).all()
    assert abs(levels[:, 40:] - [0, 0, 80]).max() < 5


def test_jpeg_is_written_with_full_color_and_the_quality_asked_for(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    sizes = []
    for quality in (40, 95):
        out = tmp_path / f"{quality}.jpg"
        run = ("run", pair.content, pair.style, "-o", out, *UNTOUCHED, "--no-recipe")
        assert invoke(*run, "--quality", quality).status == 0
        with Image.open(out) as picture:
            layers: Any = picture.layer  # type: ignore[attr-defined]
            assert [layer[1:3] for layer in layers] == [(1, 1)] * 3
        sizes.append(out.stat().st_size)
    assert sizes[0] < 0.7 * sizes[1]
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.jpg", "--quality", 101)
    assert "setting 'quality': must be less than or equal to 100" in done.error


def test_what_a_format_cannot_hold_is_refused_before_work(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    run = ("run", pair.content, pair.style, "-o")
    done = invoke(*run, tmp_path / "a.jpg", "--depth", 16, "--size", 32, *UNTOUCHED[:4])
    assert done.error.endswith("a.jpg': JPEG has 8 bits; 16 go into .png and .tiff")
    assert "setting 'depth': must be 8 or 16, not 12" in invoke(
        *run, tmp_path / "a.png", "--depth", 12
    ).error  # fmt: skip
    long = tmp_path / "long.png"
    Image.new("RGB", (16_400, 16), "navy").save(long)
    done = invoke("run", long, pair.style, "-o", tmp_path / "a.webp", *UNTOUCHED,
                  "--max-megapixels", 300)  # fmt: skip
    assert "WEBP holds sides of 16383 pixels at most, not 16400 × 16" in done.error


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_fills_leaves_what_was_there(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    out = folder / f"out.{suffix}"
    out.write_bytes(b"precious")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    done = invoke("run", pair.content, pair.style, "-o", out, *UNTOUCHED, "--force")
    reason = f"impasto: error: '{out}' cannot be written: No space left on device"
    assert done.error == f"{reason}, and no other place could be found for the picture"
    assert out.read_bytes() == b"precious"
    assert list(folder.iterdir()) == [out]


def test_a_disk_that_is_really_full(pair: Pair, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    image = open_picture(pair.content).image
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    import impasto

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    out = tmp_path / "out.png"
    out.write_bytes(b"precious")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with (
            pytest.raises(impasto.OutputError, match="cannot be written: File too large"),
            written_whole(out) as part,
        ):
            write_picture(part, image, PictureMetadata())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert out.read_bytes() == b"precious"
    assert not list(tmp_path.glob(".*"))


def test_metadata_too_long_for_jpeg_is_left_out_and_said(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    content, out = tmp_path / "talkative.png", tmp_path / "out.jpg"
    packet = XMP.replace(b"A. Painter", b"A. Painter " * 8000)
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    drawn(48, 32, seed=1).save(content, pnginfo=info)
    done = invoke("run", content, pair.style, "-o", out, *UNTOUCHED)
    assert done.status == 0, done.err
    assert "the XMP is left out" in done.err


@pytest.mark.parametrize("size", [(97, 31), (31, 97), (400, 33)])
def test_odd_sizes_and_panoramas(
    invoke: Invoke, pair: Pair, tmp_path: Path, size: tuple[int, int]
) -> None:
    content, out = tmp_path / "odd.png", tmp_path / "out.tiff"
    drawn(*size, seed=6).save(content)
    done = invoke("run", content, pair.style, "-o", out, "--size", "original", "--steps", 1,
                  "--loss", "content:layers=conv1_1", "--loss", "gram:layers=conv1_1,conv2_1")  # fmt: skip
    assert done.status == 0, done.err
    with Image.open(out) as picture:
        assert picture.size == size
