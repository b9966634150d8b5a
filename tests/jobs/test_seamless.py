"""Seamless results, by the command line: laid out twice by twice, no seam is stronger than its neighbors."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy
import pytest
from PIL import Image

import impasto
from helpers import Invoke, Pair, drawn, refused

NETWORK = ("--loss", "gram:layers=conv1_1,conv2_1", "--loss", "tv:weight=10", "--quiet")
Levels = numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float64]]


@pytest.fixture(autouse=True)
def soft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A style and a content with soft shapes, whose ends differ."""
    monkeypatch.chdir(tmp_path)
    for seed, name in ((3, "style.png"), (4, "content.png")):
        drawn(12, 10, seed).resize((60, 50), Image.Resampling.BICUBIC).save(name)


def strength(path: Path, axis: int) -> float:
    """The seam of two copies, over the strongest difference of neighbors elsewhere: means over a line."""
    levels = imagecodecs.png_decode(path.read_bytes()).astype(float)
    twice: Levels = numpy.concatenate([levels, levels], axis)
    others = tuple(one for one in range(3) if one != axis)
    steps = numpy.abs(numpy.diff(twice, axis=axis)).mean(others)
    seam = levels.shape[axis] - 1
    return float(steps[seam] / numpy.delete(steps, seam).max())


def seams(path: Path) -> tuple[bool, bool]:
    """Whether copies side by side, and one above the other, show a seam."""
    return strength(path, 1) > 1, strength(path, 0) > 1


@pytest.mark.parametrize(
    ("option", "depth", "shown"),
    [
        ("none", 8, (True, True)),
        ("both", 8, (False, False)),
        ("both", 16, (False, False)),
        ("x", 8, (False, True)),
        ("y", 16, (True, False)),
    ],
)
def test_a_texture_tiles(invoke: Invoke, option: str, shown: tuple[bool, bool], depth: int) -> None:
    # Any of 40 rows may have the strongest difference: with one seed in 40 that is the last one.
    done = invoke("texture", "style.png", "-o", "out.png", "--size", "48x40", "--scales", "32",
                  "--seed", "1", "--steps", "40", "--seamless", option, "--depth", depth,
                  *NETWORK)  # fmt: skip
    assert done.status == 0, done.err
    assert seams(Path("out.png")) == shown
    assert imagecodecs.png_decode(Path("out.png").read_bytes()).itemsize == depth // 8


@pytest.mark.parametrize("option", ["none", "both"])
def test_a_picture_with_content_tiles(invoke: Invoke, option: str) -> None:
    done = invoke("run", "content.png", "style.png", "-o", "out.png", "--size", "54", "--steps", "30",
                  "--scales", "32", "--seamless", option, "--loss", "content:layers=conv2_1",
                  "--loss", "laplacian", "--colors", "luminance", *NETWORK)  # fmt: skip
    assert done.status == 0, done.err
    assert seams(Path("out.png")) == ((True, True) if option == "none" else (False, False))


@pytest.mark.parametrize("size", ["45x37", "47x41"])
def test_sizes_that_the_poolings_do_not_divide_tile_nearly(invoke: Invoke, size: str) -> None:
    """The pool that goes over the seam sees a column twice. Without the option: 2.5 or more."""
    done = invoke("texture", "style.png", "-o", "out.png", "--size", size, "--scales", "single",
                  "--steps", "40", "--seamless", "both", *NETWORK)  # fmt: skip
    assert done.status == 0, done.err
    assert strength(Path("out.png"), 1) < 1.3
    assert strength(Path("out.png"), 0) < 1.3


def test_regions_and_a_start_with_ends_that_differ_tile(invoke: Invoke) -> None:
    half = Image.new("L", (48, 48), 0)
    half.paste(255, (12, 0, 36, 48))
    half.save("mask.png")
    drawn(60, 60, 9).save("other.png")
    done = invoke("texture", "style.png", "other.png:content_mask=mask.png", "-o", "out.png",
                  "--size", "48", "--scales", "32", "--steps", "40", "--seamless", "y",
                  "--init", "content.png", *NETWORK)  # fmt: skip
    assert done.status == 0, done.err
    assert strength(Path("out.png"), 0) < 1


def test_rerun_keeps_it_and_a_style_file_is_refused(invoke: Invoke) -> None:
    size = ("--size", "48", "--scales", "single")
    losses = NETWORK[:-1]
    learned = invoke(
        "style", "learn", "style.png", "-o", "a.style", "--preset", "texture", *size, *losses
    )
    assert learned.status == 0, learned.err
    more = (*size, *losses, "--steps", "5", "--seamless", "x")
    said = refused(invoke("texture", "a.style", "-o", "b.png", *more))
    assert said.startswith("style files do not work with seamless x, for which the style picture")
    done = invoke("texture", "style.png", "-o", "a.png", *more)
    assert done.status == 0, done.err
    assert invoke("rerun", "a.png", "-o", "c.png").status == 0
    assert Image.open("a.png").tobytes() == Image.open("c.png").tobytes()


def test_an_extractor_that_cannot_is_refused(invoke: Invoke) -> None:
    done = invoke("texture", "style.png", "--seamless", "both", "--extractor", "tiny",
                  "--plugin", "impasto.testing")  # fmt: skip
    said = refused(done)
    assert said.startswith("the extractor TinyExtractor paints no seamless pictures")
    assert said.endswith("(--seamless, --extractor)")


def test_a_word_that_is_none_is_refused(invoke: Invoke) -> None:
    said = refused(invoke("texture", "style.png", "--seamless", "xy"))
    assert "'xy'" in said
    assert "both" in said


def test_a_loss_of_others_is_told(pair: Pair) -> None:
    seen: set[tuple[int, ...]] = set()

    class Mine(impasto.Loss):
        target = "none"

        def summarize_layer(self, feature):  # type: ignore[no-untyped-def]
            seen.add(self.wraps)
            near = self.around(feature, 0, 1)
            return {"sum": (near[..., 1:] - near[..., :-1]).square().sum(), "shape": near.detach()}

        def compare_layer(self, summary, target):  # type: ignore[no-untyped-def]
            assert summary["shape"].shape[2:] == (32, 33)
            return summary["sum"]

    impasto.texture(pair.style, size=32, steps=2, loss=[Mine()], seamless="x", extractor="random")
    assert seen == {(3,)}
