"""Files that people and programs make: what is read, what is refused and why, and what is said."""

from __future__ import annotations

import io
import logging
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy
import pytest
import tifffile
from PIL import Image, PngImagePlugin

import impasto
from helpers import SHALLOW, Invoke, Pair, drawn, refused
from impasto.images.reading import open_picture
from impasto_plugins.callbacks.film import Film, write_film

EIGHT = numpy.asarray(drawn(48, 32, seed=3))
SIXTEEN = EIGHT.astype(numpy.uint16) * 257


def shown(path: Path) -> Any:
    """The picture as it came in, in 8 bits."""
    return numpy.asarray(open_picture(path).picture)


def raw_of_a_camera(path: Path) -> None:
    """A thumbnail first, and the sensor's samples below it, as in a Nikon's files."""
    with tifffile.TiffWriter(path) as file:
        file.write(EIGHT[::2, ::2], photometric="rgb", subfiletype=1, subifds=1)
        pattern = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes((0, 1, 1, 2)), True)]
        file.write(SIXTEEN[..., 1], photometric="cfa", subfiletype=0, extratags=pattern)


def digital_negative(path: Path) -> None:
    """Developed by half: linear, with Adobe's tag."""
    version = [(50706, "B", 4, bytes((1, 4, 0, 0)), True)]
    tifffile.imwrite(path, EIGHT, photometric="rgb", extratags=version)


def canons_second(path: Path) -> None:
    """A JPEG, and Canon's mark."""
    tifffile.imwrite(path, EIGHT, photometric="rgb")
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + struct.pack("<I", 16) + b"CR\2\0" + bytes(4) + whole[8:])


def fujifilms(path: Path) -> None:
    path.write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(200))


def canons_third(path: Path) -> None:
    path.write_bytes(struct.pack(">I", 24) + b"ftypcrx " + bytes(200))


@pytest.mark.parametrize(
    "made", [raw_of_a_camera, digital_negative, canons_second, fujifilms, canons_third]
)
def test_raw_files_are_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path, made: Callable[[Path], None]
) -> None:
    made(path := tmp_path / "camera.nef")
    line = refused(invoke("run", path, pair.style))
    assert line == (
        f"picture '{path}' is a camera's raw file; develop it to TIFF or PNG first, for example with"
        " darktable"
    )


def test_text_and_profiles_of_any_size_do_not_hide_a_png(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    history, out = tmp_path / "history.png", tmp_path / "out.png"
    info = PngImagePlugin.PngInfo()
    info.add_text("history", "edited " * 400_000, zip=True)
    adobe = imagecodecs.cms_profile("adobergb")
    large = struct.pack(">I", 2_000_000) + adobe[4:] + bytes(2_000_000 - len(adobe))
    Image.fromarray(EIGHT).save(history, pnginfo=info, icc_profile=large)
    done = invoke("run", history, pair.style, "-o", out, "--size", 32, "--steps", 1, *SHALLOW)
    assert done.status == 0, done.err
    Image.fromarray(EIGHT).save(tmp_path / "plain.png", icc_profile=adobe)
    assert numpy.array_equal(shown(history), shown(tmp_path / "plain.png"))
    assert not numpy.array_equal(shown(history), EIGHT)
    # What Pillow refuses to read must not be written.
    with Image.open(out) as result:
        result.load()


def test_a_profile_without_end_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "bomb.png"
    Image.fromarray(EIGHT).save(path)
    whole = path.read_bytes()
    body = b"iCCPlarge\0\0" + zlib.compress(bytes(20_000_000))
    extra = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(whole[:33] + extra + whole[33:])
    assert numpy.array_equal(shown(path), EIGHT)
    assert caplog.messages == [
        f"the ICC profile of picture '{path}' is larger than 16 MB and left out"
    ]


@pytest.mark.parametrize(("white", "kind"), [(255, "f4"), (65535, "f4"), (255, "f8")])
def test_floats_in_another_range_are_read_in_it_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, white: int, kind: str
) -> None:
    path = tmp_path / "float.tif"
    tifffile.imwrite(path, (EIGHT / 255 * white).astype(kind), photometric="rgb")
    assert numpy.array_equal(shown(path), EIGHT)
    low, high = EIGHT.min() / 255 * white, EIGHT.max() / 255 * white
    assert caplog.messages == [
        f"picture '{path}' has floats from {low:.6g} to {high:.6g}; {white} is taken as white"
    ]


def test_highlights_are_clipped_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    light, path = EIGHT.astype("f4") / 255, tmp_path / "bright.tif"
    light[:4] *= 5
    tifffile.imwrite(path, light, photometric="rgb")
    assert numpy.array_equal(shown(path), (light.clip(0, 1) * 255).round())
    assert caplog.messages[0].endswith("; they are clipped to 0 (black) and 1 (white)")


def test_floats_in_no_range_are_refused(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    tifffile.imwrite(path := tmp_path / "heights.tif", EIGHT.astype("f4") * 1e6, photometric="rgb")
    line = refused(invoke("run", path, pair.style))
    assert line.endswith("e+08; scale them to 0 (black) to 1 (white)")


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_the_first_page_that_is_no_thumbnail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    full = {"u1": 255, "u2": 65535, "f4": 1}[kind]
    page, path = (EIGHT / 255 * full).astype(kind), tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(page[::2, ::2], photometric="rgb", subfiletype=1)
        file.write(page, photometric="rgb")
    caplog.set_level(logging.INFO, "impasto")
    assert shown(path) == pytest.approx(EIGHT, abs=1)
    assert not caplog.records
    with tifffile.TiffWriter(path) as file:
        file.write(page, photometric="rgb")
        file.write(page[::-1], photometric="rgb")
    assert shown(path) == pytest.approx(EIGHT, abs=1)
    assert caplog.messages == [f"picture '{path}' has several pages; the first one is used"]


@pytest.mark.parametrize("kind", ["tiff 8", "tiff 16", "big tiff", "png 16", "jpeg xl"])
def test_orientation_in_every_depth(tmp_path: Path, kind: str) -> None:
    path, exif = tmp_path / "turned", Image.Exif()
    exif[0x0112] = 6
    turned = [(274, "H", 1, 6, True)]
    if kind == "jpeg xl":
        pytest.importorskip("pillow_jxl")
        file = io.BytesIO()
        Image.fromarray(EIGHT).save(file, "JPEG", quality=100, subsampling=0, exif=exif)
        path.write_bytes(imagecodecs.jpegxl_encode_jpeg(file.getvalue()))
    elif kind == "png 16":
        whole, body = imagecodecs.png_encode(SIXTEEN), b"eXIf" + exif.tobytes()[6:]
        extra = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        path.write_bytes(whole[:33] + extra + whole[33:])
    else:
        samples = EIGHT if kind == "tiff 8" else SIXTEEN
        tifffile.imwrite(
            path, samples, photometric="rgb", extratags=turned, bigtiff=kind == "big tiff"
        )
    assert shown(path) == pytest.approx(numpy.rot90(EIGHT, -1), abs=5 if kind == "jpeg xl" else 0)


def test_xmp_that_keeps_a_search_busy(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "slow.webp"
    begun = b"<rdf:Description " + b'xmlns:impasto="urn:impasto:recipe:1" ' * 60_000
    for packet in (begun, begun * 2 + b"<" * 1000, b"tiff:Orientation" * 100_000, b" " * 3_000_000):
        Image.fromarray(EIGHT).save(path, xmp=packet)
        started = time.process_time()
        assert "has no recipe" in refused(invoke("show", path))
        done = invoke("run", path, pair.style, "-o", tmp_path / "out.webp", "--force",
                      "--size", 32, "--steps", 1, *SHALLOW)  # fmt: skip
        assert done.status == 0, done.err
        assert time.process_time() - started < 10


def test_what_is_no_regular_file_is_refused_at_once(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.png")
    reasons = {pipe: "is not a file", "/dev/zero": "is not a file", "/proc/self/maps": "is empty"}
    for path, words in reasons.items():
        given = {
            "content": (path, pair.style),
            "style": (pair.content, path),
            "init": (pair.content, pair.style, "--init", path),
            "mask": (pair.content, f"{pair.style}:content_mask={path}"),
            "style mask": (pair.content, f"{pair.style}:style_mask={path}"),
        }
        for arguments in given.values():
            line = refused(invoke("run", *arguments, "-o", tmp_path / "out.png"))
            assert f"picture '{path}' {words}" in line
        assert refused(invoke("show", path)) == f"picture '{path}' {words}"


def test_memory_is_taken_for_what_is_read_not_for_what_is_allowed(tmp_path: Path) -> None:
    Image.fromarray(EIGHT).save(path := tmp_path / "tiny.png")
    code = (
        "import resource, impasto.images.reading as r\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 10**9,) * 2)\n"
        f"print(r.open_picture({str(path)!r}, 10_000).size)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "(48, 32)\n", done.stderr


def test_a_film_opens_pictures_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {ran}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    frame = tmp_path / "000000001.png"
    Image.fromarray(EIGHT).save(frame, "EPS")
    with pytest.raises(impasto.PictureError, match="is not a picture in a format that is read"):
        write_film(tmp_path / "film.gif", [frame], Film(48, 32, 15, 0))
    assert not ran.exists()


def test_heic(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = Image.fromarray(EIGHT).resize((96, 64))
    made = pillow_heif.from_pillow(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    made.save(upright := tmp_path / "a.heic", quality=95, chroma=444)
    made.save(turned := tmp_path / "b.heic", quality=95, chroma=444, exif=exif.tobytes())
    expected = numpy.asarray(pixels)
    assert abs(shown(upright) - expected.astype(int)).mean() < 4
    assert abs(shown(turned) - numpy.rot90(expected, -1).astype(int)).mean() < 4
    done = invoke("run", upright, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--steps", 1, *SHALLOW)  # fmt: skip
    assert done.status == 0, done.err


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            struct.pack(">I", 24) + b"ftypheic" + bytes(100),
            "is HEIC, which needs the package pillow-heif: pip install 'impasto[heif]'",
        ),
        (
            imagecodecs.jpegxl_encode(EIGHT),
            "is JPEG XL, which needs the package pillow-jxl-plugin: pip install 'impasto[jxl]'",
        ),
    ],
)
def test_extras_that_are_missing(
    invoke: Invoke,
    pair: Pair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    line: str,
) -> None:
    for module in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, module, None)
    for kind in ("HEIF", "JXL"):
        monkeypatch.delitem(Image.OPEN, kind, raising=False)
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert refused(invoke("run", path, pair.style)) == f"picture '{path}' {line}"


def test_jpeg_xl_says_its_size_before_it_is_decoded(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    pytest.importorskip("pillow_jxl")
    path = tmp_path / "large.jxl"
    for size in ((48, 32), (300, 300), (9001, 77), (64, 40)):
        path.write_bytes(imagecodecs.jpegxl_encode(numpy.zeros((size[1], size[0]), numpy.uint8)))
        limit = (size[0] * size[1] - 1) / 1e6
        with pytest.raises(impasto.PictureError, match="million pixels, or claims to"):
            open_picture(path, limit)
        assert open_picture(path, limit + 2e-6).size == size
    # 2³⁰ by 2³⁰ pixels: no small size, 30 bits for each side.
    header = 0b0 | 0b11 << 1 | (2**30 - 1) << 3 | 0 << 33 | 0b11 << 36 | (2**30 - 1) << 38
    path.write_bytes(b"\xff\x0a" + header.to_bytes(9, "little") + bytes(100))
    assert "has more than 200 million pixels" in refused(invoke("run", path, pair.style))


def test_an_animation_in_jpeg_xl_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("pillow_jxl")
    path = tmp_path / "moving.jxl"
    path.write_bytes(imagecodecs.jpegxl_encode(numpy.stack([EIGHT, EIGHT[::-1]]), lossless=True))
    caplog.set_level(logging.INFO, "impasto")
    assert numpy.array_equal(shown(path), EIGHT)
    assert caplog.messages == [f"picture '{path}' has several frames; the first one is used"]


FORMAT_PLUGIN = """
import impasto
from PIL import Image, ImageFile

class Plain(ImageFile.ImageFile):
    format = "PLAIN"

    def _open(self):
        self._mode, self._size = "RGB", (48, 32)
        self.tile = [("raw", (0, 0, 48, 32), 8, ("RGB", 0, 1))]

Image.register_open("PLAIN", Plain, lambda start: start.startswith((b"PLAIN...", b"II*\\0\\x08\\0\\0\\0")))

@impasto.hookimpl
def impasto_losses():
    return []
"""


@pytest.mark.parametrize("suffix", ["tif", "plain"])
def test_a_plugin_adds_a_format(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(Image, "OPEN", Image.OPEN.copy())
    monkeypatch.setattr(Image, "ID", Image.ID.copy())
    plugin, path = tmp_path / "format.py", tmp_path / f"picture.{suffix}"
    plugin.write_text(FORMAT_PLUGIN)
    # A raw file is a TIFF to begin with: what a plugin has added comes first.
    start = b"II*\0\x08\0\0\0" if suffix == "tif" else b"PLAIN..."
    path.write_bytes(start + EIGHT.tobytes())
    out = tmp_path / "out.png"
    done = invoke("run", path, pair.style, "--plugin", plugin, "-o", out, "--init", "content",
                  "--size", "original", "--steps", 1, "--loss", "tv:weight=0")  # fmt: skip
    assert done.status == 0, done.err
    with Image.open(out) as result:
        assert numpy.array_equal(numpy.asarray(result), EIGHT)
