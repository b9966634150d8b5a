"""Contact sheets: labeled pictures in a grid, as one picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

GAP = 8
"""Pixels between cells, and around them."""
LINES = 3
"""Lines that a label may have; what is longer is cut, and ends in an ellipsis."""

FONT = Path(__file__).with_name("DejaVuSans.ttf")
"""It has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic and symbols; Pillow's has ASCII alone."""


def contact_sheet(
    cells: Sequence[tuple[str, Image.Image]], columns: int = 4, cell: int = 256
) -> Image.Image:
    """Labeled pictures in a grid, row by row, dark on white, each under its label.

    Args:
        cells: label and picture of each; labels break at spaces.
        columns: in each row, 1 or more.
        cell: pixels of the square that each picture is made to fit in; none is enlarged.

    Returns:
        An RGB picture; as wide as it needs, where there are fewer cells than columns.

    Raises:
        ValueError: no cells, or columns or cell below 1.
    """
    if not cells or columns < 1 or cell < 1:
        raise ValueError("a contact sheet needs cells, columns and a cell size, each 1 or more")
    columns = min(columns, len(cells))
    font = ImageFont.truetype(FONT, max(9.0, min(17.0, cell / 16)))
    line = sum(font.getmetrics())
    labeled = [(wrapped(label, font, cell), shrunk(picture, cell)) for label, picture in cells]
    rows = [labeled[at : at + columns] for at in range(0, len(labeled), columns)]
    above = [line * max(len(lines) for lines, _ in row) for row in rows]
    below = [max(picture.height for _, picture in row) for row in rows]
    size = (columns * (cell + GAP) + GAP, sum(above) + sum(below) + GAP * (len(rows) + 1))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for row, over, under in zip(rows, above, below, strict=True):
        for column, (lines, picture) in enumerate(row):
            left = GAP + column * (cell + GAP)
            for number, text in enumerate(lines):
                draw.text((left, top + number * line), text, fill="black", font=font)
            sheet.paste(picture, (left, top + over))
        top += over + under + GAP
    return sheet


def shrunk(picture: Image.Image, cell: int) -> Image.Image:
    """The picture in RGB, made to fit in a square of so many pixels; never enlarged."""
    small = picture.convert("RGB")
    small.thumbnail((cell, cell), Image.Resampling.LANCZOS)
    return small


def wrapped(label: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The label in lines that fit, broken at spaces and, where a word is too long, inside it.

    Args:
        label: any text.
        font: that it is drawn with.
        width: pixels.

    Returns:
        At most ``LINES`` lines; none, if there is nothing to say.
    """
    lines = [""]
    # File systems may have letters and their marks apart, which must not be broken apart.
    for word in unicodedata.normalize("NFC", label).split():
        joined = f"{lines[-1]} {word}".strip()
        if font.getlength(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if font.getlength(lines[-1] + character) > width and lines[-1]:
                lines.append("")
            lines[-1] += character
    if len(lines) <= LINES:
        return lines if lines[0] else []
    last = lines[LINES - 1]
    while last and font.getlength(last + "…") > width:
        last = last[:-1]
    return [*lines[: LINES - 1], last + "…"]
