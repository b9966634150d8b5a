"""Contact sheets: labeled pictures in a grid, as one picture."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

GAP = 8
"""Pixels between cells, and around them."""
LINES = 3
"""Lines that a label may have; what is longer is cut, and ends in an ellipsis."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


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
    font = ImageFont.load_default(size=max(10, min(20, cell / 14)))
    labels = [wrapped(label, font, cell) for label, _ in cells]
    line = line_height(font)
    above = line * max(len(lines) for lines in labels)
    small = [shrunk(picture, cell) for _, picture in cells]
    starts = range(0, len(cells), columns)
    rows = [above + max(one.height for one in small[at : at + columns]) for at in starts]
    size = (columns * (cell + GAP) + GAP, sum(rows) + GAP * (len(rows) + 1))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for place, (picture, lines) in enumerate(zip(small, labels, strict=True)):
        row, column = divmod(place, columns)
        left, top = GAP + column * (cell + GAP), GAP * (row + 1) + sum(rows[:row])
        for number, text in enumerate(lines):
            draw.text((left, top + number * line), text, fill="black", font=font)
        sheet.paste(picture, (left + (cell - picture.width) // 2, top + above))
    return sheet


def shrunk(picture: Image.Image, cell: int) -> Image.Image:
    """The picture in RGB, made to fit in a square of so many pixels; never enlarged."""
    small = picture.convert("RGB")
    small.thumbnail((cell, cell), Image.Resampling.LANCZOS)
    return small


def wrapped(label: str, font: Font, width: int) -> list[str]:
    """The label in lines that fit, broken at spaces and, where a word is too long, inside it.

    Args:
        label: any text.
        font: that it is drawn with.
        width: pixels.

    Returns:
        At most ``LINES`` lines; one, though empty, at least.
    """
    lines = [""]
    for word in label.split():
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
        return lines
    last = lines[LINES - 1]
    while last and font.getlength(last + "…") > width:
        last = last[:-1]
    return [*lines[: LINES - 1], last + "…"]


def line_height(font: Font) -> int:
    """Pixels from one line to the next."""
    box = font.getbbox("Ájgy|")
    return round(box[3]) + 3
