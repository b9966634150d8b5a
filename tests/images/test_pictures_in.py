"""Pictures in: every kind of file comes in as a viewer shows it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

import impasto
from helpers import Invoke, Outcome, Pair, drawn
from impasto.images.reading import Photo, open_picture

Levels = NDArray[numpy.float64]
UNTOUCHED = ("--loss", "tv:weight=0", "--steps", 1, "--size", "original", "--init", "content")
"""Options of a run that gives the content picture back as it was read."""


@pytest.fixture
def through(invoke: Invoke, pair: Pair, tmp_path: Path) -> Callable[..., tuple[Levels, Outcome]]:
    """The content picture as it is after a run on the command line that changes nothing."""

    def call(content: Path, *more: object) -> tuple[Levels, Outcome]:
        out = tmp_path / "through.png"
        done = invoke("run", content, pair.style, "-o", out, *UNTOUCHED, "--force", *more)
        assert done.status == 0, done.err
        with Image.open(out) as picture:
            return numpy.asarray(picture) / 255, done

    return call


Through = Callable[[Path], tuple[Levels, Outcome]]


def levels(photo: Photo) -> Levels:
    return photo.image[0].permute(1, 2, 0).double().numpy()


def wide(seed: int = 5, channels: int = 3) -> NDArray[numpy.uint16]:
    """A picture of 40 × 24 pixels with levels that 8 bits cannot tell apart."""
    random = numpy.random.default_rng(seed)
    return random.integers(0, 65536, (24, 40, channels), dtype=numpy.uint16)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    turns: dict[int, Callable[[Levels], Levels]] = {
        1: lambda a: a,
        2: numpy.fliplr,
        3: lambda a: numpy.rot90(a, 2),
        4: numpy.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: numpy.rot90(a, -1),
        7: lambda a: numpy.rot90(a, 2).swapaxes(0, 1),
        8: numpy.rot90,
    }  # fmt: skip
    picture, path = drawn(40, 24, seed=3), tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif, quality=95)
    plain = numpy.asarray(picture)
    if suffix in ("jpg", "webp"):
        with Image.open(path) as stored:
            plain = numpy.asarray(stored.convert("RGB"))
    expected = turns[orientation](plain) / 255
    assert numpy.allclose(levels(open_picture(path)), expected, atol=1e-6)


def test_orientation_through_the_command_line(tmp_path: Path, through: Through) -> None:
    picture, path = drawn(40, 24, seed=3), tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(path, exif=exif)
    shown, _ = through(path)
    assert numpy.allclose(shown, numpy.rot90(numpy.asarray(picture), -1) / 255, atol=1 / 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "I;16", "F", "YCbCr", "LA", "RGBA"])
def test_modes_come_in_as_they_look(tmp_path: Path, through: Through, mode: str) -> None:
    picture = drawn(40, 24, seed=4)
    path = tmp_path / ("mode.tiff" if mode in ("CMYK", "F", "YCbCr") else "mode.png")
    if mode == "I;16":
        gray = numpy.asarray(picture.convert("L")).astype(numpy.uint16) * 257
        Image.fromarray(gray).save(path)
        expected = numpy.repeat(gray[..., None] / 65535, 3, axis=2)
    elif mode == "F":
        light = numpy.asarray(picture.convert("L")).astype(numpy.float32) / 255
        Image.fromarray(light).save(path)
        expected = numpy.repeat(light[..., None], 3, axis=2)
    else:
        picture.convert(mode).save(path)
        with Image.open(path) as stored:
            expected = numpy.asarray(stored.convert("RGB")) / 255
    shown, _ = through(path)
    assert numpy.allclose(shown[..., :3], expected, atol=1.01 / 255)


def test_sixteen_bits_are_used_in_full(tmp_path: Path) -> None:
    color = wide()
    png, tiff, gray = tmp_path / "a.png", tmp_path / "a.tiff", tmp_path / "g.png"
    png.write_bytes(imagecodecs.png_encode(color))
    tifffile.imwrite(tiff, color, photometric="rgb", compression="lzw")
    gray.write_bytes(imagecodecs.png_encode(color[..., 0].copy()))
    for path in (png, tiff):
        assert numpy.allclose(levels(open_picture(path)), color / 65535, atol=1e-7)
    expected = numpy.repeat(color[..., :1], 3, axis=2) / 65535
    assert numpy.allclose(levels(open_picture(gray)), expected, atol=1e-7)


@pytest.mark.parametrize("kind", ["float32", "float16", "uint32", "planar", "white is zero"])
def test_deep_tiffs(tmp_path: Path, kind: str) -> None:
    color, path = wide() / 65535, tmp_path / "deep.tiff"
    if kind == "planar":
        tifffile.imwrite(
            path, numpy.moveaxis(wide(), -1, 0), photometric="rgb", planarconfig="separate"
        )
    elif kind == "white is zero":
        tifffile.imwrite(path, wide()[..., 0], photometric="miniswhite")
        color = 1 - numpy.repeat(color[..., :1], 3, axis=2)
    else:
        full = 2**32 - 1 if kind == "uint32" else 1
        tifffile.imwrite(path, (color * full).astype(kind), photometric="rgb")
    tolerance = 1e-3 if kind == "float16" else 1e-6
    assert numpy.allclose(levels(open_picture(path)), color, atol=tolerance)


def test_a_float_tiff_with_values_that_are_none(tmp_path: Path) -> None:
    light, path = numpy.full((24, 40, 3), 0.5, numpy.float32), tmp_path / "odd.tiff"
    light[0, 0], light[0, 1], light[0, 2], light[0, 3] = numpy.nan, numpy.inf, -3, 7
    tifffile.imwrite(path, light, photometric="rgb")
    assert levels(open_picture(path))[0, :5, 0].tolist() == [0, 1, 0, 1, 0.5]


def test_colors_are_converted_to_srgb(tmp_path: Path, through: Through) -> None:
    adobe = imagecodecs.cms_profile("adobergb")
    path = tmp_path / "adobe.png"
    picture = Image.new("RGB", (40, 24), (120, 200, 80))
    picture.save(path, icc_profile=adobe)
    # Adobe RGB (1998): gamma 563/256; primaries to XYZ (D65), XYZ to sRGB of IEC 61966-2-1.
    light = (numpy.array([120, 200, 80]) / 255) ** (563 / 256)
    to_xyz = [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    to_rgb = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    linear = (numpy.array(to_rgb) @ numpy.array(to_xyz) @ light).clip(0, 1)
    expected = numpy.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert numpy.allclose(levels(open_picture(path))[3, 3], expected, atol=2e-3)
    assert abs(expected - picture.getpixel((0, 0))[0] / 255).max() > 0.05  # type: ignore[index]


def test_a_damaged_profile_is_left_aside_and_said(tmp_path: Path, through: Through) -> None:
    path, picture = tmp_path / "odd.png", drawn(40, 24, seed=4)
    whole = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (b"nonsense" * 40, whole[:300]):
        picture.save(path, icc_profile=profile)
        shown, done = through(path)
        assert numpy.allclose(shown, numpy.asarray(picture) / 255, atol=1 / 255)
        assert "is not used, its colors are taken as sRGB" in done.err


def test_the_first_frame_of_an_animation(tmp_path: Path, through: Through) -> None:
    path = tmp_path / "moving.gif"
    Image.new("RGB", (40, 24), "red").save(
        path, save_all=True, append_images=[Image.new("RGB", (40, 24), "blue")]
    )
    shown, done = through(path)
    assert numpy.allclose(shown[3, 3], [1, 0, 0], atol=0.02)
    assert f"picture '{path}' has several frames; the first one is used" in done.err


@pytest.mark.parametrize("depth", [8, 16])
def test_hidden_colors_do_not_bleed_in(tmp_path: Path, depth: int) -> None:
    alpha = numpy.zeros((24, 40), numpy.uint16)
    alpha[:, 20:] = 65535
    shown, seen = numpy.array([0, 30000, 65535]), []
    for hidden in ([65535, 0, 0], [0, 65535, 12345]):
        colors = numpy.where(alpha[..., None] > 0, shown, hidden)
        samples = numpy.dstack([colors, alpha]).astype(numpy.uint16)
        path = tmp_path / "hidden.png"
        if depth == 8:
            Image.fromarray((samples >> 8).astype(numpy.uint8)).save(path)
        else:
            path.write_bytes(imagecodecs.png_encode(samples))
        photo = open_picture(path)
        assert photo.alpha is not None
        assert photo.alpha[0, 0].numpy() == pytest.approx(alpha / 65535)
        seen.append(levels(photo))
    assert numpy.array_equal(seen[0], seen[1])
    tolerance = 1e-5 if depth == 16 else 1 / 255
    assert numpy.allclose(seen[0], shown / 65535, atol=tolerance)


def test_colors_spread_from_the_nearest(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (64, 32), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 8, 32))
    picture.paste((0, 0, 255, 255), (56, 0, 64, 32))
    picture.save(tmp_path / "gap.png")
    row = levels(open_picture(tmp_path / "gap.png"))[16]
    assert row[12, 0] > 0.8 > 0.2 > row[12, 2]
    assert row[51, 2] > 0.8 > 0.2 > row[51, 0]
    assert numpy.all(numpy.diff(row[8:56, 0]) < 0.02)


def test_a_picture_that_is_transparent_all_over(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    Image.new("RGBA", (40, 24), (255, 0, 0, 0)).save(path := tmp_path / "nothing.png")
    done = invoke("run", path, pair.style, "-o", tmp_path / "out.png")
    assert done.error == f"impasto: error: picture '{path}' is transparent all over"


def test_bombs_are_refused_until_the_limit_is_raised(
    invoke: Invoke, pair: Pair, tmp_path: Path, through: Through
) -> None:
    path = tmp_path / "large.png"
    Image.new("RGB", (200, 60), "navy").save(path)
    arguments = ("run", path, pair.style, "-o", tmp_path / "out.png", "--max-megapixels", 0.01)
    line = (
        f"impasto: error: picture '{path}' has more than 0.01 million pixels, or claims to;"
        " set max_megapixels higher to allow it (--max-megapixels)"
    )
    assert invoke(*arguments).error == line
    through(path, "--max-megapixels", 0.05)  # type: ignore[call-arg]
    bomb = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 100))
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert "has more than 200 million pixels" in invoke("run", bomb, pair.style).error
    tifffile.imwrite(tmp_path / "deep.tiff", numpy.zeros((60, 200, 3), numpy.uint16))
    arguments = ("run", tmp_path / "deep.tiff", *arguments[2:])
    assert "has more than 0.01 million pixels" in invoke(*arguments).error


def test_formats_that_run_programs_stay_closed(tmp_path: Path) -> None:
    drawn(40, 24, seed=1).save(tmp_path / "a.eps")
    with pytest.raises(impasto.PictureError, match="not a picture in a format"):
        open_picture(tmp_path / "a.eps")


def cmyk_profile() -> bytes:
    """An ICC profile of made-up inks: cyan is Lab 60, -30, -40, black and all others together are 0, 0, 0."""

    def lab(ink: tuple[int, ...]) -> bytes:
        cyan, *rest = ink
        light, a, b = (0, 0, 0) if any(rest) else (60, -30, -40) if cyan else (100, 0, 0)
        return bytes([round(light * 2.55), a + 128, b + 128])

    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    corners = b"".join(lab(ink) for ink in numpy.ndindex(2, 2, 2, 2))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + corners + ramp * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * v) for v in (0.9642, 1, 0.8249)))
    tags, data, start = b"", b"", 128 + 4 + 2 * 12
    for name, content in ((b"A2B0", table), (b"wtpt", white)):
        tags += name + struct.pack(">2I", start + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s12s4s", 0, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ",
                         struct.pack(">6H", 2000, 1, 1, 0, 0, 0), b"acsp")  # fmt: skip
    header += bytes(28) + white[8:] + bytes(48)
    whole = header + struct.pack(">I", 2) + tags + data
    return struct.pack(">I", len(whole)) + whole[4:]


def test_cmyk_goes_by_its_profile(tmp_path: Path, through: Through) -> None:
    path, picture = tmp_path / "ink.tiff", Image.new("CMYK", (40, 24))
    picture.paste((255, 0, 0, 0), (0, 0, 20, 24))
    shown = {}
    for name, profile in (("without", None), ("with", cmyk_profile())):
        picture.save(path, icc_profile=profile)
        shown[name], done = through(path)
        assert "is not used" not in done.err
    assert numpy.allclose(shown["without"][4, 4], [0, 1, 1], atol=0.01)
    # Lab 60, -30, -40 of D50 by way of XYZ, Bradford and IEC 61966-2-1; its red is out of range.
    white = numpy.array([0.9642, 1, 0.8249])
    y = (60 + 16) / 116
    xyz = white * numpy.array([y - 30 / 500, y, y + 40 / 200]) ** 3
    to_rgb = [[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]]
    linear = (numpy.array(to_rgb) @ xyz).clip(0, 1)
    expected = numpy.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert numpy.allclose(shown["with"][4, 4], expected, atol=0.015)
    assert numpy.allclose(shown["with"][4, 30], 1, atol=0.01)
