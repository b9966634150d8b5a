"""The sheet of a run: which pictures are where, and what is kept of an interrupted run."""

from __future__ import annotations

from pathlib import Path

import numpy
from PIL import Image

from helpers import Interrupt, Invoke, Pair
from impasto.images.contact_sheet import GAP

CELL = 32


def painted(invoke: Invoke, pair: Pair, sheet: Path, *more: object, options: str = "") -> int:
    done = invoke("run", pair.content, pair.style, "-o", sheet.with_name("out.png"), "--size", 32,
                  "--steps", "3", "--loss", "tv", "--quiet",
                  "--callback", f"contact_sheet:file={sheet},cell={CELL}{options}", *more)  # fmt: skip
    assert "warning" not in done.err
    return done.status


def bottom_of_cell(sheet: Path, column: int, size: tuple[int, int]) -> numpy.ndarray:
    """Pixels of a cell's picture in a sheet of one row: it ends above the gap."""
    with Image.open(sheet) as opened:
        picture = opened.convert("RGB")
    left = GAP + column * (CELL + GAP)
    # The row is as tall as its tallest picture, the style's of 32.
    top = picture.height - GAP - CELL
    return numpy.asarray(picture.crop((left, top, left + size[0], top + size[1])))


def test_content_style_stages_and_result_stand_in_a_row(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    assert painted(invoke, pair, sheet, "--scales", "16,24", options=",columns=9") == 0
    with Image.open(sheet) as opened:
        assert opened.width == 5 * (CELL + GAP) + GAP, "content, style, two stages, result"
    with Image.open(pair.content) as content:
        wanted = numpy.asarray(content.convert("RGB").resize((32, 24), Image.Resampling.LANCZOS))
    difference = bottom_of_cell(sheet, 0, (32, 24)).astype(int) - wanted
    assert abs(difference).mean() < 3
    with Image.open(tmp_path / "out.png") as result:
        assert (bottom_of_cell(sheet, 4, result.size) == numpy.asarray(result.convert("RGB"))).all()


def test_a_single_stage_is_not_shown_twice(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    assert painted(invoke, pair, sheet, options=",columns=2") == 0
    with Image.open(sheet) as opened:
        assert opened.width == 2 * (CELL + GAP) + GAP
        assert opened.height > 2 * (24 + GAP)


def test_an_interrupted_run_has_its_sheet(
    invoke: Invoke, pair: Pair, tmp_path: Path, interrupt: Interrupt
) -> None:
    sheet = tmp_path / "sheet.png"
    assert painted(invoke, pair, sheet, *interrupt) == 130
    with Image.open(sheet) as opened, Image.open(tmp_path / "out.png") as kept:
        assert opened.width == 3 * (CELL + GAP) + GAP
        assert (bottom_of_cell(sheet, 2, kept.size) == numpy.asarray(kept.convert("RGB"))).all()
