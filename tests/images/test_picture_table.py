"""One table of what pictures may be: format × depth × color model × alpha × profile.

Each cell is written by tifffile, imagecodecs, Pillow or by hand, from values that the test knows, and has to
come in as these values: the same tags mean the same in every depth.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from impasto.images.reading import Photo, open_picture

Values = NDArray[Any]
Depth = int | str
WIDTH, HEIGHT = 40, 24
X, Y = numpy.meshgrid(numpy.linspace(0, 1, WIDTH), numpy.linspace(0, 1, HEIGHT))
COLORS = numpy.stack([X, Y, 0.5 + 0.4 * numpy.sin(12 * X * Y)], -1)
GRAY = X[..., None]
OPACITY = numpy.choose((X * 2.99).astype(int), [0.0, 0.6, 1.0])
"""A third is transparent, a third half so, and a third opaque."""
ADOBE = imagecodecs.cms_profile("adobergb")
DTYPES: dict[Depth, Any] = {8: "u1", 16: "u2", 32: "u4", "f16": "f2", "f32": "f4", "f64": "f8"}


@dataclass(frozen=True)
class Cell:
    """A file, and what it shows."""

    name: str
    data: bytes | bytearray
    colors: Values
    """(24, 40, 3) sRGB."""
    alpha: Values | None = None
    tolerance: float = 1e-6


def levels(values: Values, depth: Depth) -> Values:
    """Values in [0, 1] as they are stored at a depth."""
    if isinstance(depth, str):
        return values.astype(DTYPES[depth])
    stored: Values = numpy.round(values * (2**depth - 1)).astype(DTYPES.get(depth, "u1"))
    return stored


def seen(values: Values, depth: Depth) -> Values:
    """What of these values is left at a depth."""
    stored = levels(values, depth).astype(float)
    return stored if isinstance(depth, str) else stored / (2**depth - 1)


def as_rgb(values: Values) -> Values:
    return values if values.shape[2] == 3 else values.repeat(3, 2)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(stored: Values, depth: int, color_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of levels (H, W, C), written by hand; chunks go before the pixels."""
    height, width = stored.shape[:2]
    rows = b""
    for row in stored.reshape(height, -1):
        bits = "".join(f"{level:0{depth}b}" for level in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    inside = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in inside)


def tiff(stored: Values, **options: Any) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, stored, **options)
    return file.getvalue()


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png_cells() -> Iterable[Cell]:
    for depth in (1, 2, 4, 8, 16):
        gray = levels(GRAY, depth)
        shown = as_rgb(seen(GRAY, depth))
        key = int(gray[0, WIDTH // 2, 0])
        visible = (gray[..., 0] != key).astype(float)
        yield Cell(f"png gray {depth}", png(gray, depth, 0), shown)
        keyed = png(gray, depth, 0, (b"tRNS", struct.pack(">H", key)))
        yield Cell(f"png gray {depth} with a key", keyed, shown, visible)
    for depth in (8, 16):
        rgb, opacity = levels(COLORS, depth), levels(OPACITY, depth)[..., None]
        shown, alpha = seen(COLORS, depth), seen(OPACITY, depth)
        key = rgb[3, 3]
        visible = (rgb != key).any(-1).astype(float)
        keyed = png(rgb, depth, 2, (b"tRNS", struct.pack(">3H", *map(int, key))))
        yield Cell(f"png rgb {depth}", png(rgb, depth, 2), shown)
        yield Cell(f"png rgb {depth} with a key", keyed, shown, visible)
        yield Cell(f"png rgba {depth}", png(numpy.dstack([rgb, opacity]), depth, 6), shown, alpha)
        both = png(numpy.dstack([levels(GRAY, depth), opacity]), depth, 4)
        yield Cell(f"png gray {depth} with alpha", both, as_rgb(seen(GRAY, depth)), alpha)
    palette = numpy.random.default_rng(0).integers(0, 256, (16, 3), dtype=numpy.uint8)
    for depth in (1, 2, 4, 8):
        count = min(16, 2**depth)
        places = (X * (count - 0.01)).astype(int)
        table = (b"PLTE", palette[:count].tobytes())
        opacities = numpy.linspace(255, 0, count).astype(numpy.uint8)
        shown = palette[places] / 255
        yield Cell(f"png palette {depth}", png(places[..., None], depth, 3, table), shown)
        clear = png(places[..., None], depth, 3, table, (b"tRNS", opacities.tobytes()))
        yield Cell(f"png palette {depth} with alpha", clear, shown, opacities[places] / 255)


def tiff_cells() -> Iterable[Cell]:
    for depth in (8, 16, 32, "f16", "f32", "f64"):
        gray, rgb, opacity = (levels(values, depth) for values in (GRAY, COLORS, OPACITY))
        shown, grays, alpha = seen(COLORS, depth), as_rgb(seen(GRAY, depth)), seen(OPACITY, depth)
        near = 1e-3 if depth == "f16" else 1e-6
        one = gray[..., 0]
        yield Cell(f"tiff gray {depth}", tiff(one, photometric="minisblack"), grays, None, near)
        inverted = tiff(levels(1 - GRAY, depth)[..., 0], photometric="miniswhite")
        yield Cell(
            f"tiff gray {depth}, white is 0",
            inverted,
            1 - as_rgb(seen(1 - GRAY, depth)),
            None,
            near,
        )
        yield Cell(f"tiff rgb {depth}", tiff(rgb, photometric="rgb"), shown, None, near)
        planes = numpy.moveaxis(rgb, -1, 0).copy()
        planar = tiff(planes, photometric="rgb", planarconfig="separate")
        yield Cell(f"tiff rgb {depth}, planar", planar, shown, None, near)
        packed = {"compression": "zlib", "tile": (16, 16), "photometric": "rgb"}
        yield Cell(f"tiff rgb {depth}, tiles", tiff(rgb, **packed), shown, None, near)
        four = numpy.dstack([rgb, opacity])
        for kind, expected in (("unassalpha", alpha), ("unspecified", None)):
            data = tiff(four, photometric="rgb", extrasamples=[kind])
            yield Cell(f"tiff rgb {depth}, {kind}", data, shown, expected, near)
        mixed = numpy.dstack([rgb, opacity[::-1], opacity])
        data = tiff(mixed, photometric="rgb", extrasamples=["unspecified", "unassalpha"])
        yield Cell(f"tiff rgb {depth}, alpha after another sample", data, shown, alpha, near)
        two = numpy.dstack([one, opacity])
        data = tiff(
            two, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]
        )
        yield Cell(f"tiff gray {depth} with alpha", data, grays, alpha, near)
        dark = levels(COLORS * OPACITY[..., None], depth)
        data = tiff(numpy.dstack([dark, opacity]), photometric="rgb", extrasamples=["assocalpha"])
        rounded = 0.01 if depth == 8 else 2e-3
        yield Cell(f"tiff rgb {depth}, multiplied by alpha", data, shown, alpha, rounded)
        if not isinstance(depth, str):
            inks = levels(numpy.dstack([1 - COLORS, GRAY * 0.3]), depth)
            ideal = (1 - seen(1 - COLORS, depth)) * (1 - seen(GRAY * 0.3, depth))
            yield Cell(f"tiff cmyk {depth}", tiff(inks, photometric="separated"), ideal)
            five = numpy.dstack([inks, opacity])
            data = tiff(five, photometric="separated", extrasamples=["unassalpha"])
            yield Cell(f"tiff cmyk {depth} with alpha", data, ideal, alpha)
    for depth, kind in itertools.product((8, 16), ("cielab", "icclab")):
        lab, shown = lab_values()
        data = tiff(lab_levels(lab, depth, kind), photometric=kind)
        yield Cell(f"tiff {kind} {depth}", data, shown, tolerance=0.02 if depth == 8 else 0.004)
    places = (X * 255).astype(numpy.uint8)
    table = numpy.random.default_rng(0).integers(0, 65536, (3, 256), dtype=numpy.uint16)
    data = tiff(places, photometric="palette", colormap=table)
    yield Cell("tiff palette 8", data, table.T[places] / 65535)
    black = Image.fromarray(X > 0.5)
    for packing in ("raw", "group4", "packbits"):
        data = saved(black, "TIFF", compression=packing)
        yield Cell(f"tiff 1 {packing}", data, as_rgb((X > 0.5)[..., None].astype(float)))
    smooth = Image.fromarray(levels(COLORS, 8))
    data = saved(smooth, "TIFF", compression="jpeg", quality=100)
    yield Cell("tiff ycbcr as jpeg", data, seen(COLORS, 8), tolerance=0.03)
    chroma = numpy.asarray(smooth.convert("YCbCr"))
    data = saved(smooth.convert("YCbCr"), "TIFF")
    yield Cell("tiff ycbcr, not packed", data, seen(COLORS, 8), tolerance=0.02)
    assert chroma.shape == (HEIGHT, WIDTH, 3)


def lab_values() -> tuple[Values, Values]:
    """CIE L*a*b* of D50, and the sRGB of it by formula; inside what sRGB has."""
    lab = numpy.dstack([20 + 60 * X, 25 * Y - 10, 20 - 30 * X * Y])
    root = (lab[..., 0] + 16) / 116
    roots = numpy.dstack([root + lab[..., 1] / 500, root, root - lab[..., 2] / 200])
    xyz = numpy.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    xyz = xyz * numpy.array([0.9642, 1, 0.8249])
    # Bradford from D50 to D65 and the primaries of IEC 61966-2-1, in one matrix.
    matrix = numpy.array(
        [[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]]
    )
    return lab, companded((xyz @ matrix.T).clip(0, 1))


def lab_levels(lab: Values, depth: int, kind: str) -> Values:
    """As Adobe's technical notes on TIFF store them."""
    lightness, rest = lab[..., 0], lab[..., 1:]
    if depth == 8:
        stored = numpy.dstack([lightness * 2.55, rest + (128 if kind == "icclab" else 0)])
        return (numpy.round(stored).astype(int) % 256).astype(numpy.uint8)
    full, offset = (65280, 32768) if kind == "icclab" else (65535, 0)
    stored = numpy.dstack([lightness * full / 100, rest * 256 + offset])
    return (numpy.round(stored).astype(int) % 65536).astype(numpy.uint16)


def companded(linear: Values) -> Values:
    """Linear light as sRGB (IEC 61966-2-1)."""
    low = linear <= 0.0031308
    return numpy.where(low, 12.92 * linear, 1.055 * linear.clip(1e-9) ** (1 / 2.4) - 0.055)


def other_cells() -> Iterable[Cell]:
    rgb, gray, opacity = levels(COLORS, 8), levels(GRAY, 8)[..., 0], levels(OPACITY, 8)
    shown, grays, alpha = seen(COLORS, 8), as_rgb(seen(GRAY, 8)), seen(OPACITY, 8)
    clear = Image.fromarray(numpy.dstack([rgb, opacity]))
    color, plain = Image.fromarray(rgb), Image.fromarray(gray)
    yield Cell("jpeg rgb", saved(color, "JPEG", quality=100, subsampling=0), shown, None, 0.03)
    yield Cell("jpeg gray", saved(plain, "JPEG", quality=100), grays, None, 0.02)
    cmyk = Image.fromarray(levels(numpy.dstack([1 - COLORS, GRAY * 0.3]), 8), "CMYK")
    ideal = (1 - seen(1 - COLORS, 8)) * (1 - seen(GRAY * 0.3, 8))
    yield Cell("jpeg cmyk", saved(cmyk, "JPEG", quality=100), ideal, None, 0.03)
    yield Cell("webp rgb", saved(color, "WEBP", lossless=True), shown)
    yield Cell("webp rgba", saved(clear, "WEBP", lossless=True, exact=True), shown, alpha)
    yield Cell("bmp rgb", saved(color, "BMP"), shown)
    yield Cell("tga rgba", saved(clear, "TGA"), shown, alpha)
    yield Cell("jpeg 2000 rgba", saved(clear, "JPEG2000", irreversible=False), shown, alpha)
    yield Cell("qoi rgba", imagecodecs.qoi_encode(numpy.asarray(clear)), shown, alpha)
    wide = levels(GRAY, 16)[..., 0]
    pgm = b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + wide.astype(">u2").tobytes()
    yield Cell("pgm 16", pgm, as_rgb(seen(GRAY, 16)))


def jpeg_xl_cells() -> Iterable[Cell]:
    for depth in (8, 16, "f32"):
        for alpha in (None, OPACITY):
            for name, values in (("rgb", COLORS), ("gray", GRAY)):
                stored = levels(values if alpha is None else numpy.dstack([values, alpha]), depth)
                stored = stored[..., 0] if stored.shape[2] == 1 else stored
                data = imagecodecs.jpegxl_encode(numpy.ascontiguousarray(stored), lossless=True)
                # This encoder marks samples of more than 8 bits as linear light.
                shown = as_rgb(seen(values, depth))
                shown = shown if depth == 8 else companded(shown)
                opacity = None if alpha is None else seen(alpha, depth)
                yield Cell(
                    f"jpeg xl {name} {depth} {alpha is not None}", data, shown, opacity, 2e-3
                )


def profiled_cells() -> Iterable[Cell]:
    """Adobe RGB (1998), which has another green and a plain power law."""
    to_xyz = [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    to_rgb = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    matrix = numpy.array(to_rgb) @ numpy.array(to_xyz)
    inside = 0.25 + 0.4 * COLORS
    for depth in (8, 16):
        stored, values = levels(inside, depth), seen(inside, depth)
        shown = companded((values ** (563 / 256) @ matrix.T).clip(0, 1))
        packed = b"Adobe\0\0" + zlib.compress(ADOBE)
        data = png(stored, depth, 2, (b"iCCP", packed))
        yield Cell(f"png rgb {depth}, Adobe", data, shown, None, 0.01)
        chromaticities = [0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06]
        points = struct.pack(">8I", *(round(value * 100_000) for value in chromaticities))
        gamma = struct.pack(">I", round(100_000 * 256 / 563))
        data = png(stored, depth, 2, (b"gAMA", gamma), (b"cHRM", points))
        yield Cell(f"png rgb {depth}, Adobe's gamma and primaries", data, shown, None, 0.01)
        data = tiff(stored, photometric="rgb", iccprofile=ADOBE)
        yield Cell(f"tiff rgb {depth}, Adobe", data, shown, None, 0.01)
        linear = png(levels(GRAY, depth), depth, 0, (b"gAMA", struct.pack(">I", 100_000)))
        light = companded(as_rgb(seen(GRAY, depth)))
        yield Cell(f"png gray {depth}, linear", linear, light, None, 0.004)
        if depth == 8:
            picture = Image.fromarray(stored)
            for kind, more in (
                ("JPEG", {"quality": 100, "subsampling": 0}),
                ("WEBP", {"lossless": True}),
            ):
                data = saved(picture, kind, icc_profile=ADOBE, **more)
                yield Cell(f"{kind.lower()} rgb, Adobe", data, shown, None, 0.06)


P3_TO_SRGB = [[1.2249, -0.2249, 0], [-0.0421, 1.0421, 0], [-0.0196, -0.0786, 1.0983]]
"""Linear light of Display P3 to that of sRGB."""


def heic(stored: Values, bits: int, **options: Any) -> bytes:
    """A HEIC of levels, without loss."""
    heif = importlib.import_module("pillow_heif")
    mode = f"{'RGB' if stored.shape[2] == 3 else 'RGBA'};16"
    upper = (stored.astype(int) << (16 - bits)).astype("u2")
    heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    file, made = BytesIO(), heif.from_bytes(mode, (WIDTH, HEIGHT), upper.tobytes())
    made.save(file, quality=-1, chroma=444, matrix_coefficients=0, **options)
    return file.getvalue()


def deep_cells() -> Iterable[Cell]:
    """More than 8 bits in formats that Pillow reads with 8."""
    for bits in (10, 12, 16):
        rgb, gray, opacity = (
            numpy.round(values * (2**bits - 1)).astype("u2") for values in (COLORS, GRAY, OPACITY)
        )
        shown, grays, alpha = (
            values / (2**bits - 1)
            for values in (rgb.astype(float), as_rgb(gray).astype(float), opacity)
        )
        both = numpy.dstack([rgb, opacity])
        given: dict[str, Any] = {"bitspersample": bits, "level": 0}
        yield Cell(f"jpeg 2000 rgb {bits}", imagecodecs.jpeg2k_encode(rgb, **given), shown)
        yield Cell(f"jpeg 2000 rgba {bits}", imagecodecs.jpeg2k_encode(both, **given), shown, alpha)
        yield Cell(f"jpeg 2000 gray {bits}", imagecodecs.jpeg2k_encode(gray[..., 0], **given), grays,
                   None, 1e-3)  # fmt: skip
        if bits == 16:
            continue
        given["level"] = 100
        yield Cell(f"avif rgb {bits}", imagecodecs.avif_encode(rgb, **given), shown)
        yield Cell(f"avif rgba {bits}", imagecodecs.avif_encode(both, **given), shown, alpha)
        yield Cell(f"avif gray {bits}", imagecodecs.avif_encode(gray[..., 0], **given), grays)
        yield Cell(f"heic rgb {bits}", heic(rgb, bits), shown)
        yield Cell(f"heic rgba {bits}", heic(both, bits), shown, alpha)


def code_point_cells() -> Iterable[Cell]:
    """Colors by the code points of H.273: Display P3 with sRGB's curve, and linear light."""
    inside = 0.25 + 0.4 * COLORS
    for depth in (8, 16):
        stored, values = levels(inside, depth), seen(inside, depth)
        wide = companded((expanded(values) @ numpy.array(P3_TO_SRGB).T).clip(0, 1))
        data = png(stored, depth, 2, (b"cICP", bytes([12, 13, 0, 1])))
        yield Cell(f"png rgb {depth}, code points of P3", data, wide, None, 0.004)
        data = png(stored, depth, 2, (b"cICP", bytes([1, 8, 0, 1])), (b"sRGB", b"\0"))
        yield Cell(
            f"png rgb {depth}, code points of linear light", data, companded(values), None, 0.004
        )
    for bits in (8, 10):
        stored = numpy.round(inside * (2**bits - 1)).astype("u1" if bits == 8 else "u2")
        values = stored / (2**bits - 1)
        wide = companded((expanded(values) @ numpy.array(P3_TO_SRGB).T).clip(0, 1))
        avif = imagecodecs.avif_encode(
            stored, level=100, bitspersample=bits, primaries=12, transfer=13
        )
        yield Cell(f"avif rgb {bits}, code points of P3", avif, wide, None, 0.006)
    data = heic(stored, 10, color_primaries=12, transfer_characteristics=13)
    yield Cell("heic rgb 10, code points of P3", data, wide, None, 0.006)


def expanded(values: Values) -> Values:
    """sRGB as linear light (IEC 61966-2-1)."""
    return numpy.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


CELLS = [
    *png_cells(),
    *tiff_cells(),
    *other_cells(),
    *jpeg_xl_cells(),
    *profiled_cells(),
    *deep_cells(),
    *code_point_cells(),
]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_table(tmp_path: Path, cell: Cell, caplog: pytest.LogCaptureFixture) -> None:
    if cell.name.startswith("jpeg xl"):
        pytest.importorskip("pillow_jxl")
    path = tmp_path / "cell"
    path.write_bytes(cell.data)
    with caplog.at_level(logging.INFO, "impasto"):
        photo = open_picture(path)
    assert not caplog.records
    check(photo, cell.colors, cell.alpha, cell.tolerance)


def check(photo: Photo, colors: Values, alpha: Values | None, tolerance: float) -> None:
    """Colors are compared where nothing is transparent: elsewhere they are mixed with those around."""
    shown = photo.image[0].permute(1, 2, 0).double().numpy()
    assert shown.shape == colors.shape
    if alpha is None:
        assert photo.alpha is None
        assert shown == pytest.approx(colors, abs=tolerance)
        return
    assert photo.alpha is not None
    assert photo.alpha[0, 0].double().numpy() == pytest.approx(alpha, abs=min(tolerance, 1e-3))
    opaque = alpha == 1
    assert opaque.any()
    assert shown[opaque] == pytest.approx(colors[opaque], abs=tolerance)


def test_what_cannot_be_read_of_code_points_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(levels(COLORS, 16), 16, 2, (b"cICP", bytes([9, 16, 0, 1]))))
    photo = open_picture(path)
    check(photo, seen(COLORS, 16), None, 1e-6)
    assert [record.getMessage() for record in caplog.records] == [
        f"picture '{path}' has a high dynamic range (PQ) by code points that are not read (primaries 9,"
        " transfer 16): its colors are taken as sRGB"
    ]


def as_luminance_and_chrominance() -> bytes:
    """A JPEG 2000 that says that it has sYCC, which Pillow converts."""
    file = imagecodecs.jpeg2k_encode(levels(COLORS, 16), level=0)
    place = file.find(b"colr") + 7
    return bytes(file[:place] + struct.pack(">I", 18) + file[place + 4 :])


def ppm() -> bytes:
    wide = levels(COLORS, 16).astype(">u2").tobytes()
    return b"P6 # 16 bits\n%d %d 65535\n" % (WIDTH, HEIGHT) + wide


@pytest.mark.parametrize("make", [as_luminance_and_chrominance, ppm])
def test_bits_that_cannot_be_read_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, make: Callable[[], bytes]
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(make())
    open_picture(path)
    assert [record.getMessage() for record in caplog.records] == [
        f"picture '{path}' has 16 bits a sample and is read with 8"
    ]
