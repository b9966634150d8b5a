"""Paint the gallery anew: masks, maps, textures and a film, then every command that stands in its README.md.

python plugins/gallery/paint.py [WORD ...]     only the commands that have all of these words
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy
from PIL import Image, ImageDraw, ImageFilter

from impasto_profiling.clip import drawn_clip
from impasto_profiling.drawn_textures import draw

HERE = Path(__file__).parent
FRAMES = 6
"""Of the film."""
FILM = ("clip", "alone", "film")
"""Folders with its frames: as drawn, painted one by one, and each from the one before."""
DEMO = HERE.parents[1] / "engine" / "impasto" / "demo"


def commands() -> list[list[str]]:
    """The commands of the page, word by word; lines that end in a backslash go on."""
    text = (HERE / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.startswith("    impasto ")]
    return [shlex.split(line, comments=True) for line in lines]


def draw_masks() -> None:
    """The sky of the harbor, with a soft lower edge; the orange and the blue part of the strokes."""
    height, width = 216, 288
    down = numpy.linspace(0, 1, height)[:, None] * numpy.ones((1, width))
    save_mask(1 - ((down - 0.42) / 0.12).clip(0, 1), "sky.png")
    with Image.open(DEMO / "strokes.jpg") as picture:
        small = picture.convert("RGB").resize((216, 216)).filter(ImageFilter.GaussianBlur(4))
    pixels = numpy.asarray(small, dtype=float) / 255
    orange = ((pixels[..., 0] - pixels[..., 2]) / 0.3 + 0.5).clip(0, 1)
    save_mask(orange, "orange.png")
    save_mask(1 - orange, "blue.png")


def save_mask(
    values: numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float64]], name: str
) -> None:
    """Write values in [0, 1] as a gray picture."""
    Image.fromarray((values * 255).round().astype(numpy.uint8)).save(HERE / name, optimize=True)


SKY, TOWN, WATER, TREE = "#f0c040", "#c03020", "#3060c0", "#308040"
"""Colors of the regions."""


def draw_maps() -> None:
    """The parts of the harbor, and those of the strokes that are to paint them, four to a pixel."""
    harbor = Image.new("RGB", (1280, 960), SKY)
    draw = ImageDraw.Draw(harbor)
    draw.rectangle((0, 570, 1280, 960), fill=WATER)
    draw.polygon([(0, 520), (200, 430), (430, 400), (460, 160), (490, 400), (1280, 340),
                  (1280, 570), (0, 570)],
                 fill=TOWN)  # fmt: skip
    draw.polygon([(600, 960), (800, 860), (1160, 760), (1280, 740), (1280, 960)], fill=TREE)
    draw.ellipse((670, 80, 1360, 400), fill=TREE)
    draw.polygon([(1040, 380), (1170, 380), (1220, 880), (1160, 880)], fill=TREE)
    harbor.resize((320, 240), Image.Resampling.LANCZOS).save(HERE / "harbor_map.png", optimize=True)
    strokes = Image.new("RGBA", (1280, 1280))
    draw = ImageDraw.Draw(strokes)
    draw.polygon([(0, 40), (1280, 340), (1280, 560), (960, 390), (0, 330)], fill=TOWN)
    draw.polygon([(0, 440), (360, 470), (460, 640), (380, 800), (160, 1020), (0, 1050)], fill=SKY)
    draw.ellipse((590, 440, 1000, 900), fill=TREE)
    draw.polygon(
        [(0, 1220), (400, 1020), (800, 940), (1280, 1000), (1280, 1280), (0, 1280)], fill=WATER
    )
    strokes.resize((320, 320), Image.Resampling.LANCZOS).save(
        HERE / "strokes_map.png", optimize=True
    )


def draw_textures() -> None:
    """Bricks and stones to make textures of."""
    for name in ("brick", "stone"):
        draw(name, 192).save(HERE / f"{name}.jpg", quality=90)


def draw_film() -> None:
    """The frames of a film, in a folder that is not kept."""
    (HERE / "clip").mkdir(exist_ok=True)
    for number, frame in enumerate(drawn_clip(FRAMES, 128, 96), 1):
        Image.fromarray(frame.image).save(HERE / "clip" / f"{number}.png")


def lay_out() -> None:
    """Show what is no picture by itself: a tile twice by twice, and the frames of a film."""
    if (HERE / "tile.jpg").exists():
        tile = Image.open(HERE / "tile.jpg")
        paste([[tile, tile], [tile, tile]]).save(HERE / "tile_twice.jpg", quality=85)
    names = [f"{number}.png" for number in range(1, FRAMES + 1)]
    rows = [[HERE / folder / name for name in names] for folder in FILM]
    if all(file.exists() for row in rows for file in row):
        shown = [[Image.open(file) for file in row] for row in rows]
        paste(shown).save(HERE / "film.jpg", quality=85)


def paste(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Pictures of one size side by side, in rows."""
    width, height = rows[0][0].size
    sheet = Image.new("RGB", (width * len(rows[0]), height * len(rows)))
    for down, row in enumerate(rows):
        for right, picture in enumerate(row):
            sheet.paste(picture, (right * width, down * height))
    return sheet


def main() -> None:
    """Draw and paint."""
    draw_masks()
    draw_maps()
    draw_textures()
    draw_film()
    for words in commands():
        if all(word in words for word in sys.argv[1:]):
            print(shlex.join(words), flush=True)  # noqa: T201
            arguments = [*words[1:], "--force"]
            # The page is our own, and what it runs is Impasto itself.
            subprocess.run([sys.executable, "-m", "impasto", *arguments], cwd=HERE, check=True)  # noqa: S603
    lay_out()


if __name__ == "__main__":
    main()
