"""Contact sheets: every picture is there, whole, under its label."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image, ImageFont

from impasto.images.contact_sheet import FONT, GAP, LINES, contact_sheet, wrapped

COLORS = ["red", "lime", "blue", "magenta", "cyan"]


def count(sheet: Image.Image, color: str) -> int:
    pixels = numpy.asarray(sheet)
    wanted = numpy.asarray(Image.new("RGB", (1, 1), color))[0, 0]
    return int((pixels == wanted).all(-1).sum())


def test_each_picture_stands_whole_in_its_cell_in_reading_order() -> None:
    cells = [(name, Image.new("RGB", (64, 32), name)) for name in COLORS]
    sheet = contact_sheet(cells, columns=2, cell=64)
    assert sheet.width == 2 * 64 + 3 * GAP
    assert [count(sheet, name) for name in COLORS] == [64 * 32] * 5
    places = [numpy.argwhere((numpy.asarray(sheet) == numpy.asarray(one)[0, 0]).all(-1)).min(0)
              for _, one in cells]  # fmt: skip
    assert [tuple(place) for place in places] == sorted(tuple(place) for place in places)


def test_pictures_shrink_to_the_cell_and_are_not_enlarged() -> None:
    sheet = contact_sheet(
        [("large", Image.new("RGB", (200, 100), "red")), ("", Image.new("RGB", (10, 10), "blue"))],
        columns=3,
        cell=50,
    )
    assert count(sheet, "red") == 50 * 25
    assert count(sheet, "blue") == 100
    assert sheet.width == 2 * 50 + 3 * GAP


def test_labels_are_drawn_and_fit_their_cell() -> None:
    blank = Image.new("RGB", (80, 80), "white")
    plain, labeled = (contact_sheet([(text, blank)], 1, 80) for text in ("", "gram 100"))
    assert numpy.asarray(plain).min() == 255
    assert numpy.asarray(labeled).min() < 64
    font = ImageFont.truetype(FONT, 12)
    lines = wrapped("loss.gram.weight=100000 " * 9 + "a_word_that_is_far_too_long" * 9, font, 80)
    assert len(lines) == LINES
    assert lines[-1].endswith("…")
    assert all(font.getlength(line) <= 80 for line in lines)
    assert wrapped("a b", font, 80) == ["a b"]
    assert wrapped(" ", font, 80) == []


@pytest.mark.parametrize("name", ["größer", "été", "o\u0308", "Ночь", "Ελλάδα", "łódź", "→×…—"])
def test_no_letter_of_a_label_is_a_box(name: str) -> None:
    blank = Image.new("RGB", (1, 1), "white")
    # No font has a character that Unicode has no meaning for.
    box, *letters = [
        contact_sheet([(text, blank)], 1, 80).tobytes() for text in ("\uffff", *wrapped_in(name))
    ]
    assert box not in letters


def wrapped_in(name: str) -> list[str]:
    """The letters of a label as they are drawn."""
    return list("".join(wrapped(name, ImageFont.truetype(FONT, 12), 1000)))


def test_each_row_has_room_for_its_own_labels_alone() -> None:
    one = Image.new("RGB", (64, 32), "red")
    sheets = [
        contact_sheet([(text, one), ("", one)], 1, 64).height
        for text in ("", "short", "a label of several lines")
    ]
    assert sheets[0] == 2 * 32 + 3 * GAP
    line = sheets[1] - sheets[0]
    assert sheets[2] - sheets[0] in (2 * line, 3 * line)


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(ValueError, match="needs cells"):
        contact_sheet([], 1, 10)
